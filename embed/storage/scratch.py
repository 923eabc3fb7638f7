"""Local temporary files: one folder for each process, removed when it ends.

    <temporary folder of the system>/deglu-<pid>-.../.alive     locked while the process lives
                                                    <name>      one for each active writer

The lock, not the pid, shows whether a process lives: pids repeat, also between containers that share the folder.  The
next process that needs a scratch file removes the folders of killed ones.
"""

import atexit
import fcntl
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "deglu-"
ALIVE = ".alive"

_folders: dict[int, Path] = {}  # by pid: a forked child has its own
_lock = threading.Lock()


@contextmanager
def scratch_file() -> Iterator[Path]:
    """A path to write one file to, removed at the end."""
    path = _folder() / secrets.token_hex(8)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def working_folder(place: Path | None = None) -> Iterator[Path]:
    """An empty folder below `place`, the system's for temporary files by default; removed at the end.

    Folders of killed processes are removed first.
    """
    place = place or Path(tempfile.gettempdir())
    remove_leftovers(place, PREFIX)
    folder, mark = _marked(place, PREFIX)
    try:
        (folder / "work").mkdir()
        yield folder / "work"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(mark)


def _folder() -> Path:
    with _lock:
        if os.getpid() not in _folders:
            place = Path(tempfile.gettempdir())
            remove_leftovers(place, PREFIX)
            _folders[os.getpid()] = folder = living_folder(place, f"{PREFIX}{os.getpid()}-")
            atexit.register(_remove, folder, os.getpid())
        return _folders[os.getpid()]


def living_folder(place: Path, prefix: str) -> Path:
    """A new folder of this process; it removes the folder, or `remove_leftovers` does after its death."""
    return _marked(place, prefix)[0]  # its mark stays open, thus locked, until the process ends


def remove_leftovers(place: Path, prefix: str) -> None:
    """Remove folders of `living_folder` whose processes are dead."""
    for mark in place.glob(f"{prefix}*/{ALIVE}"):
        if _is_dead(mark):
            shutil.rmtree(mark.parent, ignore_errors=True)


def _marked(place: Path, prefix: str) -> tuple[Path, int]:
    """A new folder, and its mark, which is locked as long as it is open.

    The mark gets its name only when it is locked: an unlocked mark always means a dead process.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    mark = os.open(folder / "new", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(mark, fcntl.LOCK_EX)
    (folder / "new").rename(folder / ALIVE)
    return folder, mark


def _is_dead(mark: Path) -> bool:
    try:
        with mark.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, another user's, or deleted meanwhile
        return False
    return True


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
