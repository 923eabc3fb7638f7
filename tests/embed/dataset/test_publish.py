import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

import embed.dataset.publish
from embed.dataset import VectorsDataset, open_dataset
from embed.dataset.forget import forget
from embed.dataset.job import Job
from embed.dataset.log import newest_entry, newest_version, versions
from embed.dataset.publish import committed, publish, publish_draft
from embed.dataset.staging import attempts, mark_attempts, staged
from embed.errors import AlreadyPublished, InputError, StorageError, WorkLeftUndone
from embed.identity import description
from embed.storage import numbered_log
from embed.storage.store import create_exclusive, listing
from embed.tables import PLANNED
from tests.embed.vectors import asset_of, begin, commit, commit_failed, manifest, unit_of

ROOT = Path(__file__).parents[3]
UNDESCRIBED = description(None, None, None)

KILLED_BEFORE_THE_MANIFEST = """
import os, signal, sys
import embed.storage.numbered_log
from embed.dataset.job import read_job
from embed.dataset.publish import publish
from tests.embed.vectors import manifest
embed.storage.numbered_log.create_exclusive = lambda url, data: os.kill(os.getpid(), signal.SIGKILL)
publish(read_job(sys.argv[1]), manifest("a", "b", "c"))
"""
KILLED_BEFORE_TIDYING = """
import os, signal, sys
import embed.dataset.publish
from embed.dataset.job import read_job
from embed.dataset.publish import publish
from tests.embed.vectors import manifest
embed.dataset.publish.delete = lambda urls: os.kill(os.getpid(), signal.SIGKILL)
publish(read_job(sys.argv[1]), manifest("a", "b", "c"))
"""


def texts(dataset: VectorsDataset) -> list[str]:
    return sorted(dataset.table(["text"])["text"].to_pylist())


def done(job: Job) -> set[bytes]:
    return set(committed(job).to_pylist())


def planned(*names: str) -> pa.Table:
    """The plan of an archive whose assets are one unit each."""
    units = [{"unit_id": unit_of(name), "asset_id": asset_of(name), "description": UNDESCRIBED} for name in names]
    return pa.Table.from_pylist(units, schema=PLANNED)


def test_versions_add_up_and_staging_empties(storage_url: str) -> None:
    job = begin(storage_url)
    mark_attempts(job, [unit_of("a"), unit_of("b")])
    commit(job, "a", "one", "two")
    first = publish(job, manifest("a"))
    assert (first.number, first.rows) == (1, 2)
    assert staged(job) == []
    assert attempts(job) == {unit_of("b"): 1}
    commit(job, "b", "three")
    assert done(job) == {unit_of("a"), unit_of("b")}
    second = publish(job, manifest("a", "b"))
    assert (second.number, second.rows, second.accounting.units) == (2, 3, 2)
    assert done(job) == {unit_of("a"), unit_of("b")}
    assert second.data[:1] == first.data
    assert texts(open_dataset(storage_url)) == ["one", "three", "two"]
    assert texts(open_dataset(storage_url, version=1)) == ["one", "two"]


def test_units_that_are_planned_no_more_are_dropped(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one", "two")
    commit(job, "b", "three")
    publish(job, manifest("a", "b"))
    commit(job, "c", "four")
    commit(job, "d", "of a run with other settings")
    version = publish(job, manifest("a", "b", "c", "d"), planned("b", "c"))
    assert (version.rows, version.accounting.units, version.tombstones.rows) == (2, 2, 0)
    assert done(job) == {unit_of("b"), unit_of("c")}
    assert texts(open_dataset(storage_url)) == ["four", "three"]
    assert staged(job) == []
    assert publish(job, manifest("a", "b", "c", "d"), planned("b", "c")) == version
    assert texts(open_dataset(storage_url, version=1)) == ["one", "three", "two"]


def test_units_of_content_that_is_not_listed_are_hidden_not_dropped(storage_url: str) -> None:
    """Also those of a run that was killed, and of another run that has listed more."""
    job = begin(storage_url)
    commit(job, "a", "one")
    commit(job, "b", "two", version="size:0")
    publish_draft(job)
    commit(job, "c", "three")
    version = publish(job, manifest("a"), planned("a"))
    assert (version.rows, version.accounting.units, version.tombstones.rows) == (1, 1, 2)
    assert texts(open_dataset(storage_url)) == ["one"]
    assert publish(job, manifest("a", "c"), planned("a", "c")).rows == 2
    assert texts(open_dataset(storage_url)) == ["one", "three"]


def test_a_version_that_does_not_balance_is_never_published(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    publish(job, manifest("a"), planned("a"))
    commit(job, "b", "two")
    with pytest.raises(WorkLeftUndone, match=r"nothing was published.*1 planned unit"):
        publish(job, manifest("a", "b", "c"), planned("a", "b", "c"))
    assert (versions(storage_url), texts(open_dataset(storage_url)), staged(job)) == ([1], ["one"], [unit_of("b")])
    commit(job, "c", "three")
    assert publish(job, manifest("a", "b", "c"), planned("a", "b", "c")).rows == 3


def test_what_is_forgotten_meanwhile_is_planned_no_more(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    commit(job, "b", "two")
    publish(job, manifest("a", "b"), planned("a", "b"))
    commit(job, "c", "three")
    forget(storage_url, ["demo/b"], compact=True)
    version = publish(job, manifest("a", "b", "c"), planned("a", "b", "c"))
    assert (version.rows, version.accounting.units) == (2, 2)


def test_nothing_new_publishes_nothing(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    first = publish(job, manifest("a"))
    assert publish(job, manifest("a")) == first
    assert publish(job, manifest("a", "b")).number == 2
    assert versions(storage_url) == [1, 2]


@pytest.mark.chaos
def test_a_kill_before_the_manifest_leaves_the_old_version_and_a_rerun_has_every_row_once(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    publish(job, manifest("a"))
    commit(job, "b", "two")
    commit(job, "c", "three")
    child = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_MANIFEST, storage_url], cwd=ROOT, check=False)
    assert child.returncode == -9
    assert len(listing(storage_url + "/data")) == 2
    assert texts(open_dataset(storage_url)) == ["one"]
    assert publish(job, manifest("a", "b", "c")).number == 2
    assert texts(open_dataset(storage_url)) == ["one", "three", "two"]
    assert len(listing(storage_url + "/data")) == 2


@pytest.mark.chaos
def test_a_kill_after_the_manifest_folds_nothing_twice(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    commit(job, "b", "two")
    child = subprocess.run([sys.executable, "-c", KILLED_BEFORE_TIDYING, storage_url], cwd=ROOT, check=False)
    assert child.returncode == -9
    assert len(staged(job)) == 2
    commit(job, "c", "three")
    assert publish(job, manifest("a", "b", "c")).number == 2
    assert texts(open_dataset(storage_url)) == ["one", "three", "two"]
    assert staged(job) == []


@pytest.mark.slow
def test_two_readers_during_publishing_see_whole_versions_only(storage_url: str) -> None:
    job, names, whole, stop = begin(storage_url), "abcd", {}, threading.Event()
    commit(job, "start", "start 1", "start 2")
    publish(job, manifest("start"))
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
                assert publish(job, manifest("start", *names[: place + 1])).number == place + 2
        finally:
            stop.set()
        for reader in readers:
            seen = reader.result()
            assert seen == sorted(seen)
    assert texts(open_dataset(storage_url)) == whole[len(names) + 1]


def test_who_loses_the_race_begins_again_from_what_won(storage_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    create, won = create_exclusive, []

    def create_after_another(url: str, data: bytes) -> bool:
        """Another publisher goes first, whole, between our files and our entry."""
        monkeypatch.setattr(numbered_log, "create_exclusive", create)
        won.append(publish(job, manifest("a")))
        commit(job, "b", "two")
        return create(url, data)

    monkeypatch.setattr(numbered_log, "create_exclusive", create_after_another)
    ours = publish(job, manifest("a", "b"))
    assert (won[0].number, ours.number) == (1, 2)
    assert texts(open_dataset(storage_url)) == ["one", "two"]
    assert texts(open_dataset(storage_url, version=1)) == ["one"]
    assert staged(job) == []
    assert publish(job, manifest("a", "b")) == ours
    named = {ref.name for version in (won[0], ours) for ref in version.data}
    assert {entry.url for entry in listing(storage_url + "/data")} == {f"{storage_url}/{name}" for name in named}


def test_who_always_loses_gives_up_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = begin(str(tmp_path))
    commit(job, "a", "one")
    monkeypatch.setattr(numbered_log, "create_exclusive", lambda url, data: False)
    with pytest.raises(AlreadyPublished, match="5 times; run this again"):
        publish(job, manifest("a"))
    monkeypatch.undo()
    assert publish(job, manifest("a")).rows == 1


@pytest.mark.slow
def test_of_many_publishers_and_folders_at_once_rows_appear_once_whoever_wins(storage_url: str) -> None:
    job = begin(storage_url)

    def work(name: str) -> None:
        commit(job, name, name)
        with suppress(AlreadyPublished):
            publish_draft(job) if name in "ace" else publish(job, manifest(*"abcdef"))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, "abcdef"))
    last = publish(job, manifest(*"abcdef"))
    assert texts(open_dataset(storage_url)) == list("abcdef")
    assert (last.rows, last.accounting.units, staged(job)) == (6, 6, [])
    assert publish(job, manifest(*"abcdef")) == last


def test_drafts_are_for_writers_alone(storage_url: str) -> None:
    job = begin(storage_url)
    assert publish_draft(job) is None
    commit(job, "a", "one")
    draft = publish_draft(job)
    assert draft is not None
    assert (draft.complete, draft.number, newest_version(storage_url), versions(storage_url)) == (False, 1, None, [])
    with pytest.raises(InputError, match="no version is published here"):
        open_dataset(storage_url)
    with pytest.raises(InputError, match="version 1 is the draft of a run; published: none"):
        open_dataset(storage_url, version=1)
    assert (staged(job), done(job), newest_entry(storage_url)) == ([], {unit_of("a")}, draft)
    commit(job, "b", "two")
    assert done(job) == {unit_of("a"), unit_of("b")}
    first = publish(job, manifest("a", "b"))
    assert (first.number, first.complete, first.published) == (2, True, ())
    commit(job, "c", "three")
    publish_draft(job)
    assert texts(open_dataset(storage_url)) == ["one", "two"]
    assert versions(storage_url) == [2]
    assert publish(job, manifest("a", "b", "c")).published == (2,)
    assert texts(open_dataset(storage_url)) == ["one", "three", "two"]
    assert versions(storage_url) == [2, 4]
    with pytest.raises(InputError, match="version 3 was removed: version 4 has it; published: 2, 4"):
        open_dataset(storage_url, version=3)


@pytest.mark.slow
def test_many_ledger_segments_become_one(tmp_path: Path) -> None:
    job = begin(str(tmp_path))
    for number in range(embed.dataset.publish.MANY_SEGMENTS):
        commit_failed(job, str(number), "no sound")
        version = publish_draft(job)
    assert version is not None
    assert (len(version.ledger), version.accounting.failed) == (1, embed.dataset.publish.MANY_SEGMENTS)
    assert len(done(job)) == embed.dataset.publish.MANY_SEGMENTS


def test_a_retry_replaces_what_it_did_before(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "good", "kept 1", "kept 2")
    commit(job, "half", "old")
    commit_failed(job, "bad", "cannot be read")
    commit_failed(job, "worse", "cannot be read either")
    first = publish(job, manifest("good", "half", "bad", "worse"))
    assert (first.accounting.embedded, first.accounting.failed) == (2, 2)
    assert open_dataset(storage_url).failures().num_rows == 2
    commit(job, "half", "new 1", "new 2")
    commit(job, "bad", "read at last")
    commit_failed(job, "worse", "still not", attempts=2)
    second = publish(job, manifest("good", "half", "bad", "worse"))
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
    publish(job, manifest("a", "b"))
    hidden = publish(job, manifest("b"))
    assert (hidden.number, hidden.rows, hidden.accounting.units) == (2, 1, 1)
    assert texts(open_dataset(storage_url)) == ["stays"]
    assert open_dataset(storage_url).ledger()["unit_id"].to_pylist() == [unit_of("b")]
    assert publish(job, manifest("b")).number == 2
    assert publish(job, manifest("a", "b")).rows == 2
    assert texts(open_dataset(storage_url)) == ["old words", "stays"]


def test_what_is_forgotten_stays_so(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "private")
    publish(job, manifest("a"))
    forget(storage_url, ["demo/a"])
    assert publish(job, manifest("a")).rows == 0
    assert publish(job, manifest("b")).rows == 0
    assert open_dataset(storage_url).table().num_rows == 0


def test_staging_that_cannot_be_emptied_is_only_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(urls: list[str]) -> None:
        raise StorageError(f"{urls[0]}: permission denied")

    job = begin(str(tmp_path))
    commit(job, "a", "one")
    monkeypatch.setattr(embed.dataset.publish, "delete", refuse)
    with caplog.at_level(logging.WARNING):
        assert publish(job, manifest("a")).number == 1
    assert "the next publish does it" in caplog.text
    monkeypatch.undo()
    assert publish(job, manifest("a")).number == 1
    assert staged(job) == []
