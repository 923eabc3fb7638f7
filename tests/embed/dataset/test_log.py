"""The log of versions: what counts as an entry, and what a removed one says."""

from pathlib import Path

import pytest

from embed.dataset.log import newest_version, read_version, remove_entries, versions
from embed.dataset.publish import publish
from embed.errors import InputError, StorageError
from embed.storage.numbered_log import entry_url, numbers
from embed.storage.store import create_exclusive, write_bytes
from tests.embed.vectors import begin, commit, manifest


def test_entries_are_numbers_and_strangers_are_ignored(tmp_path: Path) -> None:
    url = str(tmp_path)
    assert (numbers(url), versions(url), newest_version(url)) == ([], [], None)
    for number in (2, 10):
        write_bytes(entry_url(url, number), b"{")
    write_bytes(f"{url}/versions/notes.json", b"")
    assert numbers(url) == [2, 10]
    with pytest.raises(StorageError, match=r"00000010\.json: damaged"):
        newest_version(url)


def test_what_is_not_there_is_named_with_what_is(storage_url: str) -> None:
    job = begin(storage_url)
    for name in "ab":
        commit(job, name, name)
        publish(job, manifest(name))
    with pytest.raises(InputError, match="no version 3; published: 1, 2"):
        read_version(storage_url, 3)


def test_a_removed_entry_says_why_and_keeps_its_number(storage_url: str) -> None:
    job = begin(storage_url)
    for name in "ab":
        commit(job, name, name)
        publish(job, manifest(name))
    remove_entries(storage_url, [1], "for a test")
    with pytest.raises(InputError, match="version 1 was removed: for a test; published: 1, 2"):
        read_version(storage_url, 1)
    assert not create_exclusive(entry_url(storage_url, 1), b"a writer that slept")
