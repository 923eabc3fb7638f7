"""A log of numbers: of several writers one gets each, and the others go on from it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from embed.errors import AlreadyPublished, InputError
from embed.storage.numbered_log import (
    append,
    consistent,
    create_entry,
    entry_url,
    newest_number,
    numbers,
    opened,
    sealed,
)
from embed.storage.store import read_bytes, write_bytes


@dataclass(frozen=True)
class Line:
    """An entry for tests."""

    number: int
    text: str

    def encoded(self) -> bytes:
        return self.text.encode()


def head(url: str) -> Line | None:
    number = newest_number(url)
    return Line(number, read_bytes(entry_url(url, number)).decode()) if number else None


def following(base: Line | None, text: str) -> Line:
    return Line(base.number + 1 if base else 1, f"{base.text} {text}" if base else text)


def test_numbers_are_those_of_entries_and_other_files_are_ignored(tmp_path: Path) -> None:
    url = str(tmp_path)
    assert (numbers(url), newest_number(url)) == ([], 0)
    for name in ("00000002.json", "00000010.json", "notes.json", "00000011.json.tmp"):
        write_bytes(f"{url}/versions/{name}", b"{}")
    assert (numbers(url), newest_number(url), numbers(url, "jobs")) == ([2, 10], 10, [])
    assert entry_url(url, 3, "jobs") == f"{url}/jobs/00000003.json"


def test_one_of_two_writers_takes_a_number(storage_url: str) -> None:
    assert create_entry(storage_url, Line(1, "mine"))
    assert not create_entry(storage_url, Line(1, "another's"))
    assert create_entry(storage_url, Line(1, "in another folder"), "jobs")
    assert head(storage_url) == Line(1, "mine")


def test_who_was_second_goes_on_from_what_won(tmp_path: Path) -> None:
    url = str(tmp_path)
    lost: list[Line] = []

    def make(base: Line | None) -> Line:
        if newest_number(url) < 2:  # somebody else is quicker, twice
            create_entry(url, following(base, "theirs"))
        return following(base, "ours")

    assert append(url, lambda: head(url), make, lost.append) == Line(3, "theirs theirs ours")
    assert lost == [Line(1, "ours"), Line(2, "theirs ours")]


def test_nothing_to_say_creates_nothing(tmp_path: Path) -> None:
    url = str(tmp_path)
    assert append(url, lambda: head(url), lambda base: None) is None
    assert numbers(url) == []


def test_who_always_loses_gives_up(tmp_path: Path) -> None:
    url = str(tmp_path)

    def make(base: Line | None) -> Line:
        create_entry(url, following(base, "theirs"))
        return following(base, "ours")

    with pytest.raises(AlreadyPublished, match="other writers published first, 5 times; run this again"):
        append(url, lambda: head(url), make)
    assert newest_number(url) == 5


def test_a_file_that_is_missing_is_forgiven_where_the_log_has_grown(tmp_path: Path) -> None:
    url = str(tmp_path)

    def purged(base: Line | None) -> Line:
        if base is None:
            create_entry(url, Line(1, "compacted"))
            raise InputError("a file of the head was removed")
        return following(base, "ours")

    assert append(url, lambda: head(url), purged) == Line(2, "compacted ours")

    def damaged(base: Line | None) -> Line:
        raise InputError("a file of the head is missing")

    with pytest.raises(InputError, match="is missing"):
        append(url, lambda: head(url), damaged)


def test_what_is_removed_while_it_is_read_is_looked_for_again() -> None:
    looks = []

    def look() -> int:
        looks.append(1)
        if len(looks) < 3:
            raise InputError("removed meanwhile")
        return len(looks)

    def never() -> int:
        raise InputError("gone")

    assert consistent(look) == 3
    with pytest.raises(InputError, match="gone"):
        consistent(never)


def test_no_flipped_bit_changes_a_value_unseen() -> None:
    values = {"number": 3, "name": "é", "share": 0.1, "dims": {"384": [1, 2]}, "text": None}
    data = sealed({**values, "dims": {384: [1, 2]}})
    assert opened(data) == values
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = opened(bytes(flipped))
        except ValueError:
            continue
        # Where the flip is in the name of the checksum itself, an unknown field is left, which every entry refuses.
        assert {name: found.get(name) for name in values} == values, bit


def test_an_entry_without_a_checksum_is_read() -> None:
    assert opened(b'{"number": 1}') == {"number": 1}
    with pytest.raises(ValueError, match="not a JSON object"):
        opened(b"[1]")
