"""Log of versions of a dataset: `embed.storage.numbered_log` with complete entries and drafts.

- A *complete* entry is a version that readers see.  A *draft* has what a long run has folded so far: readers never see
  it, writers continue from it.  A complete entry may name a current draft (`draft`): an asset was forgotten, or the
  files were compacted, during a run.
- A removed entry is replaced by a note with the reason.
"""

import logging
import secrets
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import ValidationError

from embed.dataset.version import Version
from embed.errors import DegluError, InputError, StorageError
from embed.storage import numbered_log
from embed.storage.numbered_log import consistent, entry_url, newest_number, opened, sealed
from embed.storage.store import delete, join, read_bytes, write_bytes

NOTE = "removed"  # the field of a removed entry

log = logging.getLogger(__name__)


def newest_version(url: str) -> Version | None:
    """The version for readers: the newest complete entry; None where nothing is published yet."""
    return consistent(lambda: _newest_version(url))


def newest_entry(url: str) -> Version | None:
    """The end of the log, complete or not; one listing and one read."""
    return consistent(lambda: _newest_entry(url))


def head(url: str) -> Version | None:
    """The entry that writers continue from: the newest, or the draft that it names, with the newest's tombstones.

    Of such a draft, `draft` is the number under which it is stored.
    """
    return consistent(lambda: _head(url))


def versions(url: str) -> list[int]:
    """Numbers of the versions that can be read, ascending."""
    newest = newest_entry(url)
    return list(newest.readable()) if newest else []


def read_version(url: str, number: int) -> Version:
    """A complete version.  Raises InputError, naming the published ones, where it is missing or was removed."""
    try:
        entry = read_entry(url, number)
        if entry.complete:
            return entry
        problem = f"{url}: version {number} is the draft of a run"
    except InputError as error:
        problem = str(error)
    raise InputError(f"{problem}; published: {', '.join(map(str, versions(url))) or 'none'}")


def read_entry(url: str, number: int) -> Version:
    """An entry of any kind.  Raises InputError where it is missing or was removed, StorageError where it is damaged."""
    place = entry_url(url, number)
    try:
        data = read_bytes(place)
    except InputError:
        raise InputError(f"{url}: no version {number}") from None
    try:
        found = opened(data)
        why = found.get(NOTE)
        entry = None if why else Version.model_validate(found)
    except (ValueError, AttributeError, ValidationError) as error:
        raise StorageError(f"{place}: damaged ({type(error).__name__}); restore it from a backup") from error
    if entry is None:
        raise InputError(f"{url}: version {number} was removed: {why}")
    return entry


def append(url: str, write: Callable[[Version | None], Version | None]) -> Version | None:
    """Append the entry that `write` returns for the log's head, again when another writer was first.

    `write` gets the result of `head`, writes the files of the entry and returns it, with the values of `place_after`;
    None when there is nothing to add.  Returns the entry that was created, or None.  Raises AlreadyPublished.
    """
    return numbered_log.append(url, partial(head, url), write, partial(_delete_files, url))


def place_after(base: Version | None) -> dict[str, Any]:
    """Number, time, nonce and readable versions of the entry after `base`."""
    return {
        "number": (base.number if base else 0) + 1,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "nonce": secrets.token_hex(8),
        "published": base.readable() if base else (),
    }


def visible_version(url: str, base: Version | None) -> Version | None:
    """The version that readers see where `base` is the head; None where nothing is published."""
    if base is None or base.complete:
        return base
    return read_entry(url, base.published[-1]) if base.published else None


def draft_number(base: Version | None) -> int | None:
    """Number of the draft that writers continue from, if `base` is the head; a complete entry names it."""
    return None if base is None or base.complete else base.draft or base.number


def remove_entries(url: str, numbers: Collection[int], why: str) -> None:
    """Remove entries from the log; a note with the reason keeps each number in use."""
    for number in sorted(numbers):
        write_bytes(entry_url(url, number), sealed({"number": number, NOTE: why}))


def retire_drafts(url: str, version: Version) -> None:
    """Remove the drafts that a complete version includes.  Best effort: they are small, and compaction does it too."""
    drafts = range(version.published[-1] + 1 if version.published else 1, version.number)
    try:
        remove_entries(
            url, [number for number in drafts if number != version.draft], f"version {version.number} has it"
        )
    except DegluError as error:
        log.warning("%s: old drafts were not removed (%s)", url, error)


def _delete_files(url: str, lost: Version) -> None:
    """Delete the files of a lost race, except those that the winning entry names: both may write the same bytes."""
    try:
        named = {ref.name for ref in read_entry(url, lost.number).files()}
        mine = (ref.name for ref in lost.files() if f"/{lost.number:08d}-" in ref.name)
        delete([join(url, name) for name in mine if name not in named])
    except DegluError as error:
        log.info("%s: files of a lost race were not removed, the next compaction does it (%s)", url, error)


def _newest_entry(url: str) -> Version | None:
    number = newest_number(url)
    return read_entry(url, number) if number else None


def _newest_version(url: str) -> Version | None:
    return visible_version(url, _newest_entry(url))


def _head(url: str) -> Version | None:
    newest = _newest_entry(url)
    if newest is None or newest.draft is None:
        return newest
    end = {"number": newest.number, "published": newest.readable(), "tombstones": newest.tombstones}
    return read_entry(url, newest.draft).model_copy(update={**end, "draft": newest.draft})
