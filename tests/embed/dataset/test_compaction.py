"""Compaction: what is forgotten leaves no bytes, whatever was killed on the way."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.dataset import data_files, open_dataset
from embed.dataset.forget import forget
from embed.dataset.job import Job, read_job
from embed.dataset.log import newest_entry, versions
from embed.dataset.publish import publish, publish_draft
from embed.dataset.runs import begin_run, keep_passed_over, keep_plan, write_run
from embed.dataset.staging import staged
from embed.errors import AlreadyPublished, InputError
from embed.identity import asset_id
from embed.storage.store import listing, open_input
from embed.tables import PASSED_OVER
from tests.embed.kills import KilledError, kill_after
from tests.embed.vectors import asset_of, begin, commit, commit_failed, manifest, unit_of

SECRET = asset_of("secret")


def texts(url: str, version: int | None = None) -> list[str]:
    return sorted(open_dataset(url, version).table(["text"])["text"].to_pylist())


def naming(url: str, asset: bytes = SECRET) -> list[str]:
    """Files that hold the asset's id, but for the tombstones, which must."""
    found = []
    for entry in listing(url, ".parquet"):
        with open_input(entry.url) as stream:
            table = pq.read_table(stream)
        names = table["uri"].to_pylist() if "uri" in table.column_names else []
        ids = table["asset_id"].to_pylist() if "asset_id" in table.column_names else map(asset_id, names)
        if asset in ids and "/tombstones/" not in entry.url:
            found.append(entry.url)
    return found


@pytest.fixture
def job(storage_url: str) -> Job:
    return archive(storage_url)


def archive(url: str) -> Job:
    """Versions 1 to 3; secret has rows and is in two of them, failures, a draft, staging, a plan and a run."""
    job = begin(url)
    commit(job, "a", "one")
    publish(job, manifest("a"))
    commit(job, "secret", "mine 1", "mine 2")
    commit(job, "b", "two")
    publish(job, manifest("a", "b", "secret"))
    commit_failed(job, "c", "no sound")
    publish(job, manifest("a", "b", "c", "secret"))
    plan = keep_plan(url, manifest("a", "b", "c", "d", "secret"))
    excluded = pa.table([["demo/secret", "demo/other"], ["excluded file"] * 2], schema=PASSED_OVER)
    told = {"plan": plan, "slow": ("demo/secret", "demo/a"), "note": "demo/secret hung"}
    run = begin_run(1).model_copy(update={**told, "passed_over_list": keep_passed_over(url, excluded)})
    write_run(url, run)
    commit(job, "d", "three")
    publish_draft(job)
    commit(job, "secret", "mine again")
    commit(job, "e", "four")
    return job


def is_purged(url: str) -> bool:
    runs = [json.loads(Path(entry.url).read_text()) for entry in listing(url + "/runs") if "://" not in entry.url]
    return not naming(url) and all(run["slow"] == ["demo/a"] and run["note"] == "" for run in runs)


@pytest.mark.slow
def test_bytes_are_gone_with_the_versions_that_hold_them(job: Job) -> None:
    assert len(naming(job.url)) > 5
    forget(job.url, ["demo/secret"])
    held = open_dataset(job.url, version=2)
    assert len(naming(job.url)) > 5
    version = forget(job.url, [], compact=True)
    assert is_purged(job.url)
    assert version.published == (1,)
    assert texts(job.url) == ["one", "two"]
    assert texts(job.url, 1) == ["one"]
    with pytest.raises(InputError, match=f"version 2 was removed: compacted; version {version.number} holds what is"):
        open_dataset(job.url, version=2)
    with pytest.raises(InputError, match="version 2 was removed: compacted"):
        held.table()
    assert staged(job) == [unit_of("e")]
    publish(job, manifest("a", "b", "c", "d", "e"))
    assert texts(job.url) == ["four", "one", "three", "two"]
    assert open_dataset(job.url).failures()["message"].to_pylist() == ["no sound"]


@pytest.mark.slow
def test_compacting_twice_changes_nothing(job: Job) -> None:
    forget(job.url, ["demo/secret"], compact=True)
    before = [(entry.url, entry.size_bytes) for entry in listing(job.url)]
    forget(job.url, ["demo/secret"], compact=True)
    assert [(entry.url, entry.size_bytes) for entry in listing(job.url)] == before


@pytest.mark.slow
def test_a_kill_at_every_write_is_mended_by_the_next_run(tmp_path: Path) -> None:
    """Every second time another publishes in between."""
    archive(str(tmp_path / "whole"))
    kills = 0
    while True:
        url = str(tmp_path / f"killed {kills}")
        shutil.copytree(tmp_path / "whole", url)
        try:
            with kill_after(kills):
                forget(url, ["demo/secret"], compact=True)
            break
        except KilledError:
            kills += 1
        assert texts(url) in (["mine 1", "mine 2", "one", "two"], ["one", "two"])
        assert all(texts(url, number) for number in versions(url))
        if kills % 2:
            publish(read_job(url), manifest("a", "b", "c", "d", "e", "secret"))
            assert texts(url) in (["four", "mine again", "one", "three", "two"], ["four", "one", "three", "two"])
        forget(url, ["demo/secret"], compact=True)
        assert is_purged(url)
        publish(read_job(url), manifest("a", "b", "c", "d", "e"))
        assert texts(url) == ["four", "one", "three", "two"]
        shutil.rmtree(url)
    assert kills > 20


@pytest.mark.slow
def test_files_of_a_writer_that_lost_or_died_are_removed(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    create = "embed.storage.numbered_log.create_exclusive"
    monkeypatch.setattr(create, lambda url, data: (_ for _ in ()).throw(KilledError))
    with pytest.raises(KilledError):
        publish_draft(job)
    monkeypatch.undo()
    before = newest_entry(job.url)
    assert before is not None
    forget(job.url, ["demo/secret"])  # takes the number that the dead writer wrote its files for
    forget(job.url, [], compact=True)
    newest = newest_entry(job.url)
    assert newest is not None
    named = {ref.name for ref in newest.files()}
    for number in (*newest.published, *([newest.draft] if newest.draft else [])):
        named |= {ref["name"] for ref in refs_of(job.url, number)}
    there = {entry.url.removeprefix(job.url + "/") for entry in listing(job.url + "/data")}
    assert {name for name in named if name.startswith("data/")} == there


@pytest.mark.slow
def test_forgetting_compacting_folding_and_publishing_at_once(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "secret", "mine")
    commit(job, "a", "a")
    publish(job, manifest("a", "secret"))

    def work(name: str) -> None:
        with suppress(AlreadyPublished):
            if name == "forget":
                forget(storage_url, ["demo/secret"], compact=True)
            else:
                commit(job, name, name)
                publish_draft(job) if name in "bd" else publish(job, manifest(*"abcde", "secret"))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, ["b", "forget", "c", "forget", "d", "e"]))
    publish(job, manifest(*"abcde", "secret"))
    assert texts(storage_url) in (list("abcde"), [*"abcde", "mine"])
    forget(storage_url, ["demo/secret"], compact=True)
    assert texts(storage_url) == list("abcde")
    assert all(texts(storage_url, number) for number in versions(storage_url))
    assert naming(storage_url) == []


def refs_of(url: str, number: int) -> list[dict[str, str]]:
    with open_input(f"{url}/versions/{number:08d}.json") as stream:
        entry = json.loads(stream.read())
    return [*entry["data"]]


@pytest.mark.slow
def test_small_files_are_gathered_when_they_are_many(storage_url: str) -> None:
    job = begin(storage_url)
    names = "abcdefghij"
    for place, name in enumerate(names):
        commit(job, name, name)
        publish(job, manifest(*names[: place + 1]))
    assert len(open_dataset(storage_url).files()) == 10 > data_files.MANY
    version = forget(storage_url, [], compact=True)
    assert len(version.data) == 1
    assert texts(storage_url) == list(names)
    assert texts(storage_url, 3) == list("abc")  # nothing is forgotten, so earlier versions stay
    assert forget(storage_url, [], compact=True) == version


def test_what_is_gone_leaves_the_newest_version_and_can_come_back(storage_url: str) -> None:
    job = begin(storage_url)
    for name in "ab":
        commit(job, name, name)
    publish(job, manifest("a", "b"))
    publish(job, manifest("b"))
    version = forget(storage_url, [], compact=True)
    assert (sum(ref.rows for ref in version.data), version.tombstones.rows) == (1, 0)
    assert texts(storage_url, 1) == ["a", "b"]
    commit(job, "a", "a again")
    publish(job, manifest("a", "b"))
    assert texts(storage_url) == ["a again", "b"]


def test_jobs_that_are_over_leave_nothing_in_staging(storage_url: str) -> None:
    old = begin(storage_url)
    commit(old, "a", "one")
    new = begin(storage_url, encoder="encoder-2")
    commit(new, "b", "two")
    publish(new, manifest("b"))
    forget(storage_url, [], compact=True)
    assert staged(old) == []
