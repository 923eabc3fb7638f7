"""Numbered log: JSON objects under ascending numbers, each created once by a writer that has read all before it.

    <url>/versions/00000001.json

A number is never free again: a removed entry is replaced by a note, so that a writer that slept for an hour does not
get an old number.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from embed.base_spec import canonical_json
from embed.errors import AlreadyPublished, InputError
from embed.storage.retry import ATTEMPTS
from embed.storage.store import create_exclusive, join, listing

VERSIONS = "versions"  # the folder of most logs
DIGITS = 8
SEAL = "checksum"


class Entry(Protocol):
    """Entry of a log; its bytes differ between writers, by a nonce or by the content."""

    @property
    def number(self) -> int: ...
    def encoded(self) -> bytes: ...


Head = TypeVar("Head", bound=Entry | None)
New = TypeVar("New", bound=Entry)
Found = TypeVar("Found")

log = logging.getLogger(__name__)


def entry_url(url: str, number: int, folder: str = VERSIONS) -> str:
    return join(url, folder, f"{number:0{DIGITS}d}.json")


def numbers(url: str, folder: str = VERSIONS) -> list[int]:
    """All used numbers, ascending, with those of removed entries; other files are ignored.  One listing."""
    names = (entry.url.rsplit("/", 1)[-1] for entry in listing(join(url, folder), ".json"))
    return sorted(int(stem) for stem in (name.removesuffix(".json") for name in names) if stem.isdecimal())


def sealed(values: Mapping[str, Any]) -> bytes:
    """The JSON of an entry or a note, with a checksum of its values: JSON with a flipped bit may still be valid."""
    plain = json.loads(json.dumps(values))  # numbers as keys become texts
    return json.dumps({**plain, SEAL: _seal(plain)}, indent=1, ensure_ascii=False).encode()


def opened(data: bytes) -> dict[str, Any]:
    """The values of an entry or a note, without the checksum; an older Deglu wrote none.

    Raises ValueError where it is no JSON object or the checksum is another one.
    """
    values = json.loads(data)
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    seal = values.pop(SEAL, None)
    if seal is not None and seal != _seal(values):
        raise ValueError("the checksum is that of other values")
    return values


def _seal(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(values)).hexdigest()


def newest_number(url: str, folder: str = VERSIONS) -> int:
    """The newest number; 0 where there is none."""
    return max(numbers(url, folder), default=0)


def create_entry(url: str, entry: Entry, folder: str = VERSIONS) -> bool:
    """Create an entry; False where another writer used its number first."""
    return create_exclusive(entry_url(url, entry.number, folder), entry.encoded())


def append(
    url: str,
    head: Callable[[], Head],
    make: Callable[[Head], New | None],
    lost: Callable[[New], None] = lambda entry: None,
) -> New | None:
    """Append the entry that `make` returns for the log's head, again when another writer was first.

    head   reads the entry that writers continue from; its number is the newest
    make   writes the files of the next entry and returns it; None where there is nothing to add
    lost   is called with an entry whose number another writer used

    Returns the entry that was created, or None.  Raises AlreadyPublished after `ATTEMPTS.races`.
    """
    for _ in range(ATTEMPTS.races):
        base = head()
        try:
            entry = make(base)
        except InputError:  # if the log has grown, a file of the head was purged meanwhile
            if (0 if base is None else base.number) == newest_number(url):
                raise
            continue
        if entry is None:
            return None
        if create_entry(url, entry):
            return entry
        log.info("%s: another writer used number %d first; trying again", url, entry.number)
        lost(entry)
    raise AlreadyPublished(
        f"{url}: other writers published first, {ATTEMPTS.races} times; run this again when they are done"
    )


def consistent(look: Callable[[], Found]) -> Found:
    """The result of `look`, which lists and then reads; it is repeated where a listed entry was removed meanwhile."""
    for _ in range(ATTEMPTS.looks - 1):
        try:
            return look()
        except InputError:
            continue
    return look()
