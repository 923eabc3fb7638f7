import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

import embed.publish
from embed.dataset import VectorsDataset, open_dataset
from embed.errors import AlreadyPublished, StorageError
from embed.publish import committed, publish
from embed.staging import attempts, mark_attempt, staged
from embed.store import create_exclusive, listing
from embed.version import FORGOTTEN, TOMBSTONES, Version, versions
from tests.embed.vectors import VERSION, asset_of, begin, commit, commit_failed, manifest, unit_of

ROOT = Path(__file__).parents[2]

KILLED_BEFORE_THE_MANIFEST = """
import os, signal, sys
import embed.publish
from tests.embed.vectors import manifest
embed.publish.create_exclusive = lambda url, data: os.kill(os.getpid(), signal.SIGKILL)
embed.publish.publish(sys.argv[1], manifest("a", "b", "c"))
"""
KILLED_BEFORE_TIDYING = """
import os, signal, sys
import embed.publish
from tests.embed.vectors import manifest
embed.publish.delete = lambda urls: os.kill(os.getpid(), signal.SIGKILL)
embed.publish.publish(sys.argv[1], manifest("a", "b", "c"))
"""


def texts(dataset: VectorsDataset) -> list[str]:
    return sorted(dataset.table(["text"])["text"].to_pylist())


def buried(*names: str, version: str = VERSION, reason: str = "replaced") -> pa.Table:
    pairs = [{"asset_id": asset_of(name), "content_version": version, "reason": reason} for name in names]
    return pa.Table.from_pylist(pairs, schema=TOMBSTONES)


def test_versions_add_up_and_staging_empties(storage_url: str) -> None:
    job = begin(storage_url)
    mark_attempt(storage_url, unit_of("a"))
    mark_attempt(storage_url, unit_of("b"))
    commit(job, "a", "one", "two")
    first = publish(storage_url, manifest("a"))
    assert (first.number, first.rows) == (1, 2)
    assert staged(storage_url) == []
    assert attempts(storage_url) == {unit_of("b"): 1}
    commit(job, "b", "three")
    assert committed(storage_url) == {unit_of("a"), unit_of("b")}
    second = publish(storage_url, manifest("a", "b"))
    assert (second.number, second.rows, second.accounting.units) == (2, 3, 2)
    assert committed(storage_url) == {unit_of("a"), unit_of("b")}
    assert second.data[:1] == first.data
    assert texts(open_dataset(storage_url)) == ["one", "three", "two"]
    assert texts(open_dataset(storage_url, version=1)) == ["one", "two"]


def test_nothing_new_publishes_nothing(storage_url: str) -> None:
    commit(begin(storage_url), "a", "one")
    first = publish(storage_url, manifest("a"))
    assert publish(storage_url, manifest("a")) == first
    assert publish(storage_url, manifest("a", "b")).number == 2
    assert versions(storage_url) == [1, 2]


@pytest.mark.chaos
def test_a_kill_before_the_manifest_leaves_the_old_version_and_a_rerun_has_every_row_once(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    publish(storage_url, manifest("a"))
    commit(job, "b", "two")
    commit(job, "c", "three")
    child = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_MANIFEST, storage_url], cwd=ROOT, check=False)
    assert child.returncode == -9
    assert len(listing(storage_url + "/data")) == 2
    assert texts(open_dataset(storage_url)) == ["one"]
    assert publish(storage_url, manifest("a", "b", "c")).number == 2
    assert texts(open_dataset(storage_url)) == ["one", "three", "two"]
    assert len(listing(storage_url + "/data")) == 2


@pytest.mark.chaos
def test_a_kill_after_the_manifest_folds_nothing_twice(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    commit(job, "b", "two")
    child = subprocess.run([sys.executable, "-c", KILLED_BEFORE_TIDYING, storage_url], cwd=ROOT, check=False)
    assert child.returncode == -9
    assert len(staged(storage_url)) == 2
    commit(job, "c", "three")
    assert publish(storage_url, manifest("a", "b", "c")).number == 2
    assert texts(open_dataset(storage_url)) == ["one", "three", "two"]
    assert staged(storage_url) == []


def test_two_readers_during_publishing_see_whole_versions_only(storage_url: str) -> None:
    job, names, whole, stop = begin(storage_url), "abcd", {}, threading.Event()
    commit(job, "start", "start 1", "start 2")
    publish(storage_url, manifest("start"))
    for number in range(1, len(names) + 2):
        whole[number] = sorted([f"{name} {row}" for name in ("start", *names[: number - 1]) for row in (1, 2)])

    def read() -> list[int]:
        seen = []
        while not stop.is_set():
            dataset = open_dataset(storage_url)
            assert texts(dataset) == whole[dataset.info.number]
            assert dataset.info.rows == len(whole[dataset.info.number])
            seen.append(dataset.info.number)
        return seen

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for place, name in enumerate(names):
                commit(job, name, f"{name} 1", f"{name} 2")
                assert publish(storage_url, manifest("start", *names[: place + 1])).number == place + 2
        finally:
            stop.set()
        for reader in readers:
            seen = reader.result()
            assert seen == sorted(seen)
    assert texts(open_dataset(storage_url)) == whole[len(names) + 1]


def test_a_second_publisher_of_the_same_version_loses_cleanly(
    storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    create, won = create_exclusive, []

    def create_after_another(url: str, data: bytes) -> bool:
        """Another publisher goes first, whole, between our files and our manifest."""
        monkeypatch.setattr(embed.publish, "create_exclusive", create)
        won.append(publish(storage_url, manifest("a")))
        commit(job, "b", "two")
        return create(url, data)

    monkeypatch.setattr(embed.publish, "create_exclusive", create_after_another)
    with pytest.raises(AlreadyPublished, match="another job published version 1 first; run again"):
        publish(storage_url, manifest("a"))
    assert versions(storage_url) == [1]
    assert open_dataset(storage_url).info == won[0]
    assert staged(storage_url) == [unit_of("b")]
    assert publish(storage_url, manifest("a", "b")).number == 2
    assert texts(open_dataset(storage_url)) == ["one", "two"]


def test_of_four_publishers_at_once_rows_appear_once_whoever_wins(storage_url: str) -> None:
    job = begin(storage_url)
    for name in "abcdef":
        commit(job, name, name)

    def attempt(_: int) -> Version | AlreadyPublished:
        try:
            return publish(storage_url, manifest(*"abcdef"))
        except AlreadyPublished as lost:
            return lost

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(attempt, range(4)))
    assert {outcome.number for outcome in outcomes if isinstance(outcome, Version)} == {1}
    assert texts(open_dataset(storage_url)) == list("abcdef")
    assert publish(storage_url, manifest(*"abcdef")).number == 1


def test_a_retry_replaces_what_it_did_before(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "good", "kept 1", "kept 2")
    commit(job, "half", "old")
    commit_failed(job, "bad", "cannot be read")
    commit_failed(job, "worse", "cannot be read either")
    first = publish(storage_url, manifest("good", "half", "bad", "worse"))
    assert (first.accounting.embedded, first.accounting.failed) == (2, 2)
    assert open_dataset(storage_url).failures().num_rows == 2
    commit(job, "half", "new 1", "new 2")
    commit(job, "bad", "read at last")
    commit_failed(job, "worse", "still not", attempts=2)
    second = publish(storage_url, manifest("good", "half", "bad", "worse"))
    dataset = open_dataset(storage_url)
    assert texts(dataset) == ["kept 1", "kept 2", "new 1", "new 2", "read at last"]
    assert second.rows == 5
    assert (second.accounting.units, second.accounting.embedded, second.accounting.failed) == (4, 3, 1)
    assert dataset.failures().select(["message", "attempts"]).to_pylist() == [{"message": "still not", "attempts": 2}]
    assert texts(open_dataset(storage_url, version=1)) == ["kept 1", "kept 2", "old"]


def test_tombstones_hide_and_come_off_when_the_content_returns(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "old words")
    commit(job, "b", "stays")
    publish(storage_url, manifest("a", "b"))
    hidden = publish(storage_url, manifest("b"), buried("a"))
    assert (hidden.number, hidden.rows, hidden.accounting.units) == (2, 1, 1)
    assert texts(open_dataset(storage_url)) == ["stays"]
    assert open_dataset(storage_url).ledger()["unit_id"].to_pylist() == [unit_of("b")]
    assert publish(storage_url, manifest("b")).number == 2
    assert publish(storage_url, manifest("a", "b")).rows == 2
    assert texts(open_dataset(storage_url)) == ["old words", "stays"]


def test_what_is_forgotten_stays_so(storage_url: str) -> None:
    commit(begin(storage_url), "a", "private")
    assert publish(storage_url, manifest("a"), buried("a", reason=FORGOTTEN)).rows == 0
    assert publish(storage_url, manifest("a"), buried("a")).rows == 0
    assert open_dataset(storage_url).table().num_rows == 0


def test_staging_that_cannot_be_emptied_is_only_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(urls: list[str]) -> None:
        raise StorageError(f"{urls[0]}: permission denied")

    commit(begin(str(tmp_path)), "a", "one")
    monkeypatch.setattr(embed.publish, "delete", refuse)
    with caplog.at_level(logging.WARNING):
        assert publish(str(tmp_path), manifest("a")).number == 1
    assert "the next publish does it" in caplog.text
    monkeypatch.undo()
    assert publish(str(tmp_path), manifest("a")).number == 1
    assert staged(str(tmp_path)) == []
