"""Files of a local folder, written atomically: no reader ever sees half a file, also after a kill.

Every write goes to a hidden temporary file in the same folder, is synced, and is renamed in one step.  Listings leave
such temporary files out.  Errors are plain OSErrors; `embed.storage.store` translates them.  Inputs, any of which may
be unreadable, are listed and opened by `embed.storage.local_inputs`.
"""

import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from embed.storage.entry import Entry, entry_of
from embed.storage.local_inputs import local_inputs, open_local

TEMPORARY = ".deglu-tmp"
ABANDONED_S = 600  # age of a temporary file, without writes, after which it is removed


class LocalFiles:
    """The local half of `embed.storage.store`; paths are urls without a scheme."""

    def read(self, url: str) -> bytes:
        return Path(url).read_bytes()

    def write(self, url: str, data: bytes) -> None:
        with self.scratch(os.path.dirname(url) or ".") as path:
            path.write_bytes(data)
            self.move_in(path, url)

    def create(self, url: str, data: bytes) -> bool:
        """Whether the file now contains `data`; `link` never replaces a file, unlike a rename."""
        with self.scratch(os.path.dirname(url) or ".") as path:
            path.write_bytes(data)
            _sync(path)
            try:
                os.link(path, url)
            except FileExistsError:
                return Path(url).is_file() and self.read(url) == data
            _sync(Path(url).parent)
            return True

    def exists(self, url: str) -> bool:
        return Path(url).is_file()

    def listing(self, url: str) -> Iterator[Entry]:
        """Every file below `url`, or `url` itself; links are followed, except in circles."""
        if os.path.isfile(url):
            yield _entry(url)
        seen = {_inode(url)} if os.path.isdir(url) else set()
        for folder, folders, names in os.walk(url, onerror=_unless_gone, followlinks=True):
            folders[:] = [name for name in sorted(folders) if not _met_before(os.path.join(folder, name), seen)]
            for name in names:
                if not name.endswith(TEMPORARY) and _readable_kind(os.path.join(folder, name)):
                    yield _entry(os.path.join(folder, name))

    def inputs(self, url: str, contained: bool) -> Iterator[Entry]:
        return local_inputs(url, contained)

    def open(self, url: str, begin: int = 0, end: int | None = None) -> BinaryIO:
        return open_local(url)

    def delete(self, urls: Iterable[str]) -> None:
        for url in urls:
            Path(url).unlink(missing_ok=True)

    @contextmanager
    def scratch(self, folder: str) -> Iterator[Path]:
        """A temporary name in `folder` to write to; removed at the end unless it was moved in."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        path = Path(folder) / f".{secrets.token_hex(8)}{TEMPORARY}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def move_in(self, path: Path, url: str) -> None:
        """Rename the file to `url`, replacing an old one; `path` is from `scratch` of the same folder."""
        _sync(path)
        path.replace(url)
        _sync(Path(url).parent)

    def fetch(self, url: str, path: Path) -> None:
        shutil.copyfile(url, path)

    def sweep(self, url: str) -> None:
        for path in Path(url).rglob(f".*{TEMPORARY}"):
            try:
                if time.time() - path.stat().st_mtime > ABANDONED_S:
                    path.unlink()
            except FileNotFoundError:
                pass  # moved in, or removed, meanwhile


def _sync(path: Path) -> None:
    """Folders too: a name that is not on disk is lost at a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _entry(path: str) -> Entry:
    try:
        status = os.stat(path)
    except OSError:  # a broken link is listed too, so that opening it fails where failures are counted
        return Entry(path, 0, None, None)
    return entry_of(path, status)


def _readable_kind(path: str) -> bool:
    """Whether it is a file: pipes, sockets and devices would block a reader."""
    try:
        return S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def _inode(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _met_before(path: str, seen: set[tuple[int, int]]) -> bool:
    inode = _inode(path)
    met = inode in seen
    seen.add(inode)
    return met


def _unless_gone(error: OSError) -> None:
    """A missing folder has no files; a folder without read permission must not look empty."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error
