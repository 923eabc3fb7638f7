"""Copies of remote parts on this machine: each fetched once, whole or not there, all of them within a bound.

    <cache>/index-parts/<part>/...

The bound is `DEGLU_INDEX_CACHE_GB`.  Before a part is fetched, copies that were asked for longest ago are removed, but
none that a living process has asked for: each process keeps a shared lock on the folders of its parts, and a lock ends
with its process, however that ends.
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

_held: dict[Path, int] = {}  # open folders, locked, of the copies that this process has asked for
_holding = threading.Lock()


def copies_folder() -> Path:
    return cache_folder() / "index-parts"


def copy_of(entry: PartEntry, fill: Callable[[Path], None]) -> Path:
    """The part's folder, filled by `fill(empty_folder)` where it is missing; stays while this process lives.

    Raises StorageError for a part that does not fit, and what `fill` raises.
    """
    folder = copies_folder() / entry.name
    while not _hold(folder):
        with only_one(folder.parent):  # Only one at a time counts room, and fetches.
            if not folder.is_dir():
                _fetch(folder, entry, fill)
    with suppress(PermissionError):  # Another user's copy.
        os.utime(folder)  # When it was last asked for.
    return folder


def _fetch(folder: Path, entry: PartEntry, fill: Callable[[Path], None]) -> None:
    size = sum(file.bytes for file in entry.files.values())
    _make_room(folder.parent, entry.name, size)
    began = time.monotonic()
    logger.info("fetching %s, %s GB", entry.name, _gb(size))
    make_folder(folder, fill)
    logger.info("fetched %s in %.1f s", entry.name, time.monotonic() - began)


def _hold(folder: Path) -> bool:
    """Whether the folder is there; then nobody removes it while this process lives."""
    with _holding:
        if folder in _held and _is_same(folder, _held[folder]):
            return True
        if folder in _held:  # It was removed by hand.
            os.close(_held.pop(folder))
        try:
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        fcntl.flock(opened, fcntl.LOCK_SH)
        _held[folder] = opened
        return _is_same(folder, opened)  # It may have been removed between the two.


def _is_same(folder: Path, opened: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(opened))
    except FileNotFoundError:
        return False


def _make_room(copies: Path, name: str, size: int) -> None:
    bound = _bound()
    if size > bound:
        raise StorageError(f"{name}: {_gb(size)} GB, and the cache may hold {_gb(bound)}; set {CACHE_GB} higher")
    for draft in copies.glob(f"{DRAFT}*"):  # Of killed processes: the only living one that fetches is this.
        shutil.rmtree(draft, ignore_errors=True)
    sizes = {folder: _size(folder) for folder in copies.iterdir() if folder.is_dir()}
    held = sum(sizes.values())
    for folder in sorted(sizes, key=lambda folder: folder.stat().st_mtime):
        if held + size > bound and _remove(folder):
            held -= sizes[folder]
    if held + size > bound:
        raise StorageError(
            f"{name}: {_gb(size)} GB, and {_gb(held)} of the {_gb(bound)} GB that the cache may hold are in use; "
            f"set {CACHE_GB} higher"
        )


def _remove(folder: Path) -> bool:
    """Whether nobody held it; it vanishes as a whole."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        grave = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder.parent))
        folder.rename(grave / folder.name)
    except (BlockingIOError, PermissionError):  # It is in use; or another user's.
        return False
    finally:
        os.close(opened)
    shutil.rmtree(grave, ignore_errors=True)
    logger.info("removed %s from the cache: it was not asked for lately", folder.name)
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
        raise InputError(f"{CACHE_GB} = {given!r}: give the gigabytes that copies of index parts may take, as in 20")
    return bound * 1e9


def _gb(size: float) -> str:
    return f"{size / 1e9:.3g}"
