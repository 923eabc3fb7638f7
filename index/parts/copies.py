"""Cache of remote parts on this machine: each part is fetched once, complete or absent; the total size is limited.

    <cache>/index-parts/<part>/...

The limit is `DEGLU_INDEX_CACHE_GB`.  Before a part is fetched, the least recently used copies are removed, but none
that a running process uses: each process keeps a shared lock on the folders of its parts, and a lock always ends with
its process.
"""

import fcntl
import logging
import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from embed.errors import InputError, StorageError
from embed.storage.cache import cache_folder, make_folder, only_one
from index.parts.artifact import PartEntry

logger = logging.getLogger(__name__)

CACHE_GB, USUAL_GB = "DEGLU_INDEX_CACHE_GB", 20.0
DRAFT = ".draft-"

_locked: dict[Path, int] = {}  # file descriptors of the locked folders of the copies that this process uses
_guard = threading.Lock()


def copies_folder() -> Path:
    return cache_folder() / "index-parts"


def copy_of(entry: PartEntry, fill: Callable[[Path], None]) -> Path:
    """The part's folder, filled by `fill(empty_folder)` where it is missing; kept while this process runs.

    Raises StorageError for a part that does not fit, and what `fill` raises.
    """
    folder = copies_folder() / entry.name
    while not _lock(folder):
        with only_one(folder.parent):  # One process at a time checks the size of the cache, and fetches.
            if not folder.is_dir():
                _fetch(folder, entry, fill)
    with suppress(PermissionError):  # The copy is another user's.
        os.utime(folder)  # The time of its last use.
    return folder


def _fetch(folder: Path, entry: PartEntry, fill: Callable[[Path], None]) -> None:
    size = sum(file.bytes for file in entry.files.values())
    _make_room(folder.parent, entry.name, size)
    began = time.monotonic()
    logger.info("fetching %s, %s GB", entry.name, _gb(size))
    make_folder(folder, fill)
    logger.info("fetched %s in %.1f s", entry.name, time.monotonic() - began)


def _lock(folder: Path) -> bool:
    """Whether the folder exists; if so it is locked, and not removed while this process runs."""
    with _guard:
        if folder in _locked and _is_same(folder, _locked[folder]):
            return True
        if folder in _locked:  # It was removed by hand.
            os.close(_locked.pop(folder))
        try:
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        fcntl.flock(opened, fcntl.LOCK_SH)
        _locked[folder] = opened
        return _is_same(folder, opened)  # It may have been removed between the two.


def _is_same(folder: Path, opened: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(opened))
    except FileNotFoundError:
        return False


def _make_room(copies: Path, name: str, size: int) -> None:
    bound = _bound()
    if size > bound:
        raise StorageError(f"{name}: has {_gb(size)} GB, the cache may hold {_gb(bound)} GB; set {CACHE_GB} higher")
    for draft in copies.glob(f"{DRAFT}*"):  # Of killed processes: only this process fetches now.
        shutil.rmtree(draft, ignore_errors=True)
    sizes = {folder: _size(folder) for folder in copies.iterdir() if folder.is_dir()}
    total = sum(sizes.values())
    for folder in sorted(sizes, key=lambda folder: folder.stat().st_mtime):
        if total + size > bound and _remove(folder):
            total -= sizes[folder]
    if total + size > bound:
        raise StorageError(
            f"{name}: has {_gb(size)} GB, but {_gb(total)} of the {_gb(bound)} GB that the cache may hold are in use; "
            f"set {CACHE_GB} higher"
        )


def _remove(folder: Path) -> bool:
    """Remove a folder that no process has locked, all at once; whether it was removed."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        trash = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder.parent))
        folder.rename(trash / folder.name)
    except (BlockingIOError, PermissionError):  # It is in use, or another user's.
        return False
    finally:
        os.close(opened)
    shutil.rmtree(trash, ignore_errors=True)
    logger.info("removed %s from the cache to make room: it was the least recently used", folder.name)
    return True


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _bound() -> float:
    given = os.environ.get(CACHE_GB, "")
    bound = USUAL_GB
    if given:
        bound = math.nan
        with suppress(ValueError):
            bound = float(given)
    if not 0 < bound < math.inf:
        raise InputError(f"{CACHE_GB} = {given!r}: give the maximum gigabytes of copies of index parts, such as 20")
    return bound * 1e9


def _gb(size: float) -> str:
    return f"{size / 1e9:.3g}"
