"""An index's files on this machine: local ones where they lie, remote ones fetched once; none is trusted unread."""

import hashlib
from pathlib import Path

from embed import store
from embed.cache import cache_folder, make_folder
from embed.errors import InputError, StorageError
from index.artifact import FileEntry, SegmentEntry, segment_url

# Builds give the same bytes: the same spec into the same output replaces what is damaged.
REPAIR = "run the same `deglu index SPEC` again, which repairs it"


def segment_folder(url: str, entry: SegmentEntry, verify: bool = True) -> Path:
    """The folder that holds the segment's files; of a remote index a copy in the cache, made when missing.

    Sizes are always compared with the manifest, hashes when `verify`.  Raises StorageError naming the file that is
    missing, cut short or changed.
    """
    place = segment_url(url, entry.name)
    local = local_path(place)
    if local is None:
        # A segment's name is its content, so one cache serves all versions and all indexes.
        local = make_folder(cache_folder() / "segments" / entry.name, lambda folder: _fetch(place, entry, folder))
    for name, file in entry.files.items():
        check(local / name, file, verify)
    return local


def local_path(url: str) -> Path | None:
    """The path of a local url; None for any other."""
    return None if url.startswith(store.S3) else Path(url)


def describe(path: Path) -> FileEntry:
    return FileEntry(bytes=path.stat().st_size, sha256=_sha256(path))


def check(path: Path, expected: FileEntry, verify: bool = True) -> None:
    """Raises StorageError where the file is not the one the manifest names."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise StorageError(f"{path}: missing; {_cure(path)}") from None
    if size != expected.bytes:
        raise StorageError(f"{path}: {size} bytes where the manifest says {expected.bytes}; {_cure(path)}")
    if verify and _sha256(path) != expected.sha256:
        raise StorageError(f"{path}: damaged, its sha256 is not the manifest's; {_cure(path)}")


def _cure(path: Path) -> str:
    if path.is_relative_to(cache_folder()):
        return f"remove {path.parent}, it is fetched again on the next use"
    return REPAIR


def _fetch(place: str, entry: SegmentEntry, folder: Path) -> None:
    for name, expected in entry.files.items():
        source = store.join(place, name)
        try:
            path = store.local_copy(source, folder)
        except InputError:
            raise StorageError(f"{source}: missing; {REPAIR}") from None
        if describe(path) != expected:
            raise StorageError(f"{source}: cut short or damaged, it is not the file of the manifest; {REPAIR}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
