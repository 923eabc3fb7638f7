"""The log of versions: JSON objects under ascending numbers, each created once by a writer that has read all before.

- A *complete* entry is a version that readers see.  A *draft* is what a long run has folded so far: readers never see
  it, writers go on from it.  A complete entry may stand beside a draft (`draft`): an asset was forgotten, or the files
  were compacted, while a run was on its way.
- A number once taken stays taken.  An entry that is removed is replaced by a note: a writer that slept for an hour must
  not find its number free again.
"""

import json
import logging
import secrets
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from embed.dataset.version import Version
from embed.errors import AlreadyPublished, DegluError, InputError, StorageError
from embed.storage.store import create_exclusive, delete, join, listing, read_bytes, write_bytes

LOOKS = 4  # at a log whose entries may be removed while it is read
RACES = 5  # that a writer may lose until it gives up
NOTE = "removed"  # the field that an entry has when it was removed

T = TypeVar("T")

log = logging.getLogger(__name__)


def newest_version(url: str) -> Version | None:
    """What a reader sees: the newest complete entry; None where nothing is published yet."""
    return settled(lambda: _newest_version(url))


def newest_entry(url: str) -> Version | None:
    """The end of the log, complete or not; one listing and one read."""
    return settled(lambda: _newest_entry(url))


def head(url: str) -> Version | None:
    """Where writers go on: the newest entry, or the draft it stands beside with the newest entry's tombstones.

    `draft` of such a one says under which number it stands.
    """
    return settled(lambda: _head(url))


def versions(url: str) -> list[int]:
    """Numbers of the versions that can be read, ascending."""
    newest = newest_entry(url)
    return list(newest.readable()) if newest else []


def entries(url: str) -> list[int]:
    """Every number taken, ascending: versions, drafts, and what was removed."""
    names = (entry.url.rsplit("/", 1)[-1] for entry in listing(join(url, "versions"), ".json"))
    return sorted(int(stem) for stem in (name.removesuffix(".json") for name in names) if stem.isdecimal())


def read_version(url: str, number: int) -> Version:
    """A complete version.  Raises InputError, naming what there is, where it is not, or was removed."""
    try:
        entry = read_entry(url, number)
        if entry.complete:
            return entry
        problem = f"{url}: version {number} is the draft of a run"
    except InputError as error:
        problem = str(error)
    raise InputError(f"{problem}; published: {', '.join(map(str, versions(url))) or 'none'}")


def read_entry(url: str, number: int) -> Version:
    """Of any kind.  Raises InputError where it is not, or was removed, StorageError where it is damaged."""
    place = version_url(url, number)
    try:
        data = read_bytes(place)
    except InputError:
        raise InputError(f"{url}: no version {number}") from None
    try:
        found = json.loads(data)
        why = found.get(NOTE)
        entry = None if why else Version.model_validate(found)
    except (ValueError, AttributeError, ValidationError) as error:
        raise StorageError(f"{place}: damaged ({type(error).__name__}); bring it back from a copy") from error
    if entry is None:
        raise InputError(f"{url}: version {number} was removed: {why}")
    return entry


def append(url: str, write: Callable[[Version | None], Version | None]) -> Version | None:
    """Put at the end of the log what `write` makes of its head, and once more when another writer was first.

    `write` gets what `head` gives, writes the files of the entry and hands it back, to be numbered by `following`; None
    when there is nothing to say.  Returns the entry that stands now, or None.  Raises AlreadyPublished after RACES.
    """
    for _ in range(RACES):
        base = head(url)
        try:
            entry = write(base)
        except InputError:  # A file of the head was purged meanwhile, if the log has grown.
            if _end_of(base) == (entries(url) or [0])[-1]:
                raise
            continue
        if entry is None:
            return None
        if create_exclusive(version_url(url, entry.number), entry.model_dump_json(indent=1).encode()):
            return entry
        log.info("%s: another writer took number %d first; once more", url, entry.number)
        _clear_away(url, entry)
    raise AlreadyPublished(f"{url}: other jobs went on publishing first, {RACES} times; run again to add what is left")


def following(base: Version | None) -> dict[str, Any]:
    """Number, time, nonce and readable versions of the entry after `base`."""
    return {
        "number": _end_of(base) + 1,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "nonce": secrets.token_hex(8),
        "published": base.readable() if base else (),
    }


def shown(url: str, base: Version | None) -> Version | None:
    """What readers see where `base` is the head; None where nothing is published."""
    if base is None or base.complete:
        return base
    return read_entry(url, base.published[-1]) if base.published else None


def beside(base: Version | None) -> int | None:
    """Number of the draft where writers go on from the head `base`, for a complete entry to stand beside it."""
    return None if base is None or base.complete else base.draft or base.number


def remove_entries(url: str, numbers: Collection[int], why: str) -> None:
    """Take entries out of the log; their numbers stay taken, and readers are told why."""
    for number in sorted(numbers):
        write_bytes(version_url(url, number), json.dumps({"number": number, NOTE: why}).encode())


def retire_drafts(url: str, version: Version) -> None:
    """Remove the drafts that a complete version holds now.  Best effort: they are small, and compaction does it too."""
    drafts = range(version.published[-1] + 1 if version.published else 1, version.number)
    try:
        remove_entries(
            url, [number for number in drafts if number != version.draft], f"version {version.number} has it"
        )
    except DegluError as error:
        log.warning("%s: old drafts stay (%s)", url, error)


def version_url(url: str, number: int) -> str:
    return join(url, "versions", f"{number:08d}.json")


def _clear_away(url: str, lost: Version) -> None:
    """Files written for a number that another entry has, unless that names them: two may write the same bytes."""
    try:
        named = {ref.name for ref in read_entry(url, lost.number).files()}
        mine = (ref.name for ref in lost.files() if f"/{lost.number:08d}-" in ref.name)
        delete([join(url, name) for name in mine if name not in named])
    except DegluError as error:
        log.info("%s: files of a lost race stay until the next compaction (%s)", url, error)


def _end_of(base: Version | None) -> int:
    return base.number if base else 0


def _newest_entry(url: str) -> Version | None:
    numbers = entries(url)
    return read_entry(url, numbers[-1]) if numbers else None


def _newest_version(url: str) -> Version | None:
    return shown(url, _newest_entry(url))


def _head(url: str) -> Version | None:
    newest = _newest_entry(url)
    if newest is None or newest.draft is None:
        return newest
    end = {"number": newest.number, "published": newest.readable(), "tombstones": newest.tombstones}
    return read_entry(url, newest.draft).model_copy(update={**end, "draft": newest.draft})


def settled(look: Callable[[], T]) -> T:
    """What was listed may be removed before it is read: a newer one stands then."""
    for _ in range(LOOKS - 1):
        try:
            return look()
        except InputError:
            continue
    return look()
