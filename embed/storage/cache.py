"""Cache folder of this machine, for files fetched or converted once; a folder in it is complete or does not exist."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from embed.errors import StorageError

# A full disk or quota, and a disk that is mounted for reading only.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
CURE = "set DEGLU_CACHE to a writable folder with free space"


def cache_folder() -> Path:
    """`$DEGLU_CACHE`, else `$XDG_CACHE_HOME/deglu`, else `~/.cache/deglu`; created when missing.

    Raises StorageError where it cannot be created.
    """
    chosen = os.environ.get("DEGLU_CACHE")
    folder = Path(chosen).expanduser() if chosen else _user_cache() / "deglu"
    return _made(folder.absolute())


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Lock `folder` against every other process and thread; the folder is created when missing."""
    with _writing(folder):
        file = (_made(folder) / ".lock").open("w")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed, also when the process is killed
        yield


def make_folder(target: Path, fill: Callable[[Path], None]) -> Path:
    """`target`, filled by `fill(empty_folder)` when it is missing; readers see the complete folder or none.

    Of several writers the first wins; the others' folders are deleted.  Raises StorageError where the disk is full or
    read-only.
    """
    if target.is_dir():
        return target
    with _writing(target.parent):
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=_made(target.parent)))
        try:
            fill(draft)
            draft.chmod(0o755)  # mkdtemp gives 0o700, but several users may share a cache
            _rename(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return target


def _rename(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():
            raise


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """A full or read-only disk as StorageError; other errors pass through."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise StorageError(f"{folder}: cannot be written ({error.strerror}); {CURE}") from None


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be created ({error.strerror}); {CURE}") from None
    return folder


def _user_cache() -> Path:
    # The XDG convention: a relative path there is ignored.
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return Path(chosen) if os.path.isabs(chosen) else Path.home() / ".cache"
