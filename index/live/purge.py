"""Purge: deletes files that a compaction made obsolete, so that no file holds any removed row.

The steps have this order; after an interruption the next purge completes the steps that are not done:

1. manifests of versions that name a part which the newest does not: each is replaced by a note that names these parts.
   The number stays in use: a delayed writer must not publish below the newest version, where nobody would see it
2. the parts that notes name; then these parts are removed from the notes
3. files that no version names (their writer was killed), unchanged for a day: newer files may be of a running writer
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from embed.errors import DegluError
from embed.storage.names import plain_name
from embed.storage.numbered_log import entry_url, numbers, opened, sealed
from embed.storage.store import Entry, delete, join, listing, read_bytes, write_bytes
from index.parts.artifact import WITHDRAWN, Manifest, part_url, read_manifest

ABANDONED = timedelta(days=1)


@dataclass(frozen=True)
class VersionLog:
    """All versions of an index, with their manifests and notes."""

    newest: Manifest
    older: dict[int, Manifest]
    notes: dict[int, tuple[str, ...]]  # of versions that were removed: parts still to delete
    damaged: dict[int, str]  # the error of the manifest

    @property
    def parts(self) -> set[str]:
        """Names of all parts that a version names."""
        return {part.name for manifest in (self.newest, *self.older.values()) for part in manifest.parts}


def read_log(url: str) -> VersionLog:
    """The log of all versions.  Raises InputError where there is no index."""
    found = VersionLog(read_manifest(url), {}, {}, {})
    for version in numbers(url):
        if version >= found.newest.version:
            continue
        try:
            found.older[version] = read_manifest(url, version)
        except DegluError as error:
            parts = _noted(url, version)
            if parts is None:
                found.damaged[version] = str(error)
            else:
                found.notes[version] = parts
    return found


def purge(url: str) -> tuple[int, ...]:
    """Delete versions and parts that the newest version does not need; the numbers of the deleted versions."""
    gone = _outdated(read_log(url))
    for version, parts in gone.items():
        _note(url, version, parts)
    log = read_log(url)  # again: another writer may have published
    for part in sorted({part for parts in log.notes.values() for part in parts} - log.parts):
        delete(entry.url for entry in listing(part_url(url, part)))
    for version in sorted(version for version, parts in log.notes.items() if parts):
        _note(url, version, ())
    delete(entry.url for entry in abandoned(url, log.parts))
    return tuple(sorted(gone))


def orphans(url: str, named: set[str]) -> Iterator[Entry]:
    """Objects of parts that are not `named`, and files of unfinished builds."""
    for entry in listing(join(url, "parts")):
        if _part_of(entry.url) not in named:
            yield entry
    yield from listing(join(url, "building"))


def abandoned(url: str, named: set[str]) -> Iterator[Entry]:
    """Orphans of a part, or of a build, that nobody has written to for a day."""
    groups: dict[str, list[Entry]] = {}
    for entry in orphans(url, named):
        groups.setdefault(_group(url, entry.url), []).append(entry)
    yesterday = (datetime.now(UTC) - ABANDONED).isoformat()
    for entries in groups.values():
        if max(entry.mtime or "" for entry in entries) < yesterday:
            yield from entries


def _group(url: str, place: str) -> str:
    """`parts/<name>` or `building/<key>`."""
    return "/".join(place.removeprefix(url.rstrip("/") + "/").split("/")[:2])


def _part_of(place: str) -> str:
    return place.rsplit("/", 2)[-2]


def _outdated(log: VersionLog) -> dict[int, tuple[str, ...]]:
    """The older versions that name parts which the newest does not, with these parts."""
    kept = {part.name for part in log.newest.parts}
    beyond = {version: {part.name for part in manifest.parts} - kept for version, manifest in log.older.items()}
    return {version: tuple(sorted(parts)) for version, parts in beyond.items() if parts}


def _note(url: str, version: int, parts: tuple[str, ...]) -> None:
    """Replace a version's manifest by a note that names these parts."""
    note = {"kind": WITHDRAWN, "why": "removed by a compaction; a later version holds what is left", "parts": parts}
    write_bytes(entry_url(url, version), sealed(note))


def _noted(url: str, version: int) -> tuple[str, ...] | None:
    """The parts that a version's note names; None where there is no note, or it names a file outside of the index."""
    try:
        note = opened(read_bytes(entry_url(url, version)))
        return tuple(plain_name(part) for part in note["parts"]) if note["kind"] == WITHDRAWN else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
