"""A change is made of the newest version, again where another writer was first."""

from pathlib import Path
from typing import Any

import pytest

from embed.errors import AlreadyPublished
from embed.storage.numbered_log import create_entry
from index.live.revise import Change, end_of, revise, version_after
from index.parts.artifact import Manifest, read_manifest
from index.parts.removed import read_removed
from tests.index.living import built


def again(url: str, newest: Manifest) -> Manifest:
    return version_after(url, newest, newest.segments, read_removed(url, newest))


def test_a_change_is_the_next_version(tmp_path: Path) -> None:
    url, first = str(tmp_path), built(str(tmp_path), range(4), range(10, 13))
    told = revise(url, lambda newest: (again(url, newest), Change(newest, published=True, restored=3)))
    assert (told.published, told.restored) == (True, 3)
    assert told.manifest == read_manifest(url) == first.model_copy(update={"version": 2})
    assert end_of(first.segments) == 7
    assert end_of(()) == 0


def test_nothing_to_do_publishes_nothing(tmp_path: Path) -> None:
    first = built(str(tmp_path), range(4))
    told = revise(str(tmp_path), lambda newest: (None, Change(newest, published=True)))
    assert (told.manifest, told.published) == (first, False)
    assert read_manifest(str(tmp_path)) == first


def test_the_second_writer_begins_again(tmp_path: Path) -> None:
    url, seen = str(tmp_path), []
    built(url, range(4))

    def change(newest: Manifest) -> tuple[Manifest, Change]:
        seen.append(newest.version)
        if newest.version < 3:  # somebody else is quicker, twice
            create_entry(url, again(url, newest).model_copy(update={"rows": 1000 + newest.version}))
        return again(url, newest), Change(newest, published=True)

    assert revise(url, change).manifest.version == 4
    assert seen == [1, 2, 3]


def test_who_is_never_first_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url: Any = str(tmp_path)
    built(url, range(4))
    monkeypatch.setattr("embed.storage.numbered_log.create_exclusive", lambda url, data: False)
    with pytest.raises(AlreadyPublished, match="other writers published first, 5 times; run this again"):
        revise(url, lambda newest: (again(url, newest), Change(newest, published=True)))
