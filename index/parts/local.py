"""An index's parts on this machine: local ones in place, remote ones fetched once; all are checked before use."""

from pathlib import Path

from embed.errors import InputError, StorageError
from embed.identity import file_sha256
from embed.storage import store
from index.parts.artifact import FileEntry, PartEntry, part_url
from index.parts.checked import is_noted, note
from index.parts.copies import copies_folder, copy_of

# Builds give the same bytes: the same spec with the same output replaces damaged files.
REPAIR = "run the same `deglu index SPEC` again, which repairs it"
# Names become paths on this machine, and a manifest may come from an untrusted source.


def part_folder(url: str, entry: PartEntry, verify: bool = True) -> Path:
    """The folder that holds the part's files; of a remote index a copy in the cache, made when missing.

    Sizes are always compared with the manifest, hashes when the part is fetched and when `verify`, but not again while
    checked files do not change.  Safe for several threads and processes at once.

    Raises StorageError naming the file that is missing, truncated or changed, or the part that the cache cannot hold.
    """
    place = part_url(url, entry.name)
    folder = store.local_path(place)
    cure = REPAIR
    if folder is None:
        # A part's name is its content, so one cache serves all versions and all indexes.
        cure = f"remove {copies_folder() / entry.name}, it is fetched again on the next use"
        folder = copy_of(entry, lambda draft: _fetch(place, entry, draft))
    _check_part(folder, entry, verify, cure)
    return folder


def describe(path: Path) -> FileEntry:
    return FileEntry(bytes=path.stat().st_size, sha256=file_sha256(path))


def check(path: Path, expected: FileEntry, verify: bool = True, cure: str = REPAIR) -> None:
    """Raises StorageError where the file is not the one the manifest names."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise StorageError(f"{path}: missing; {cure}") from None
    if size != expected.bytes:
        raise StorageError(f"{path}: {size} bytes where the manifest says {expected.bytes}; {cure}")
    if verify and file_sha256(path) != expected.sha256:
        raise StorageError(f"{path}: damaged, its sha256 is not the manifest's; {cure}")


def _check_part(folder: Path, entry: PartEntry, verify: bool, cure: str) -> None:
    for name, file in entry.files.items():
        check(folder / name, file, verify=False, cure=cure)
    if verify and not is_noted(folder, entry):
        for name, file in entry.files.items():
            check(folder / name, file, cure=cure)
        note(folder, entry)


def _fetch(place: str, entry: PartEntry, folder: Path) -> None:
    for path in store.in_turn(lambda name: _fetched(store.join(place, name), folder), entry.files):
        if describe(path) != entry.files[path.name]:
            damaged = store.join(place, path.name)
            raise StorageError(f"{damaged}: truncated or damaged, it is not the file of the manifest; {REPAIR}")


def _fetched(url: str, folder: Path) -> Path:
    try:
        return store.local_copy(url, folder)
    except InputError:
        raise StorageError(f"{url}: missing; {REPAIR}") from None
