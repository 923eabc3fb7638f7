"""What no version needs is taken away, the numbers of versions stay taken."""

import json
import os
import time
from pathlib import Path

import pytest

from embed.errors import InputError, StorageError
from embed.storage.numbered_log import create_entry, entry_url, sealed
from embed.storage.store import exists, join, listing, write_bytes
from index.filter import parse_where
from index.live.compact import compact
from index.live.delete import delete
from index.live.purge import orphans, purge, read_log
from index.parts.artifact import WITHDRAWN, read_manifest
from tests.index.living import appended, built, live


def names(url: str) -> set[str]:
    return {entry.url.rsplit("/", 2)[-2] for entry in listing(join(url, "parts"))}


def test_versions_that_name_gone_parts_are_withdrawn(tmp_path: Path) -> None:
    url = str(tmp_path)
    first = built(url, range(6))
    delete(url, parse_where("start = 1"))
    told = compact(url)
    assert told.versions_removed == (1, 2)
    with pytest.raises(InputError, match="removed by a compaction; a later version holds what is left"):
        read_manifest(url, 1)
    log = read_log(url)
    assert (log.newest.version, log.older, log.notes, log.damaged) == (3, {}, {1: (), 2: ()}, {})
    assert names(url) == {part.name for part in told.manifest.parts}
    assert create_entry(url, first.model_copy(update={"version": 2})) is False
    assert live(url) == [0, 2, 3, 4, 5]


def test_versions_that_name_kept_parts_alone_stay(tmp_path: Path) -> None:
    url = str(tmp_path)
    first = built(url, range(6))
    create_entry(url, first.model_copy(update={"version": 2}))
    assert purge(url) == ()
    assert (live(url, 1), live(url, 2)) == ([*range(6)], [*range(6)])
    assert purge(url) == ()


def test_what_no_version_names_goes_when_it_is_a_day_old(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(6))
    left = ["parts/rows-text-killed/rows.f16.npy", "parts/rows-text-killed/codes.faiss", "building/key/done.json"]
    for name in left:
        write_bytes(join(url, name), b"left behind")
    assert len(list(orphans(url, read_log(url).parts))) == 3
    old = time.time() - 100_000
    for name in left[1:]:
        os.utime(tmp_path / name, (old, old))
    purge(url)
    assert [exists(join(url, name)) for name in left] == [True, True, False]  # the part's first file is young
    os.utime(tmp_path / left[0], (old, old))
    purge(url)
    assert not any(exists(join(url, name)) for name in left)
    assert live(url) == [*range(6)]


def test_a_damaged_older_manifest_is_told_and_left(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(6))
    appended(url, range(7))
    write_bytes(join(url, "versions", "00000001.json"), b"{")
    assert list(read_log(url).damaged) == [1]
    assert purge(url) == ()


def test_a_note_that_names_a_folder_outside_deletes_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim" / "letter.txt"
    victim.parent.mkdir()
    victim.write_text("not ours")
    url = str(tmp_path / "index")
    first = built(url, range(6))
    create_entry(url, first.model_copy(update={"version": 2}))
    for part in ("../../victim", str(victim.parent), "..", "a/../../../victim"):
        write_bytes(entry_url(url, 1), sealed({"kind": WITHDRAWN, "why": "", "parts": [part]}))
        purge(url)
        assert victim.exists()
        assert list(read_log(url).damaged) == [1]


def test_a_manifest_that_names_a_folder_outside_is_damaged(tmp_path: Path) -> None:
    url = str(tmp_path)
    values = json.loads(built(url, range(6)).encoded())
    del values["checksum"]
    values["segments"][0]["part"]["name"] = "../../victim"
    write_bytes(entry_url(url, 2), json.dumps(values).encode())
    with pytest.raises(StorageError, match="damaged manifest"):
        read_manifest(url)
