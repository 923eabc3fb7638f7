"""Taking an asset down: its rows vanish at once, and it never comes back."""

import pyarrow as pa
import pytest

from embed.dataset import VectorsDataset, open_dataset
from embed.dataset.forget import forget
from embed.dataset.job import Job
from embed.dataset.log import head, newest_entry, versions
from embed.dataset.publish import committed, publish, publish_draft
from embed.dataset.runs import keep_plan
from embed.dataset.tombstones import forgotten
from embed.errors import InputError
from embed.identity import asset_id
from tests.embed.vectors import asset_of, begin, commit, commit_failed, manifest, unit_of


def texts(dataset: VectorsDataset) -> list[str]:
    return sorted(dataset.table(["text"])["text"].to_pylist())


@pytest.fixture
def job(storage_url: str) -> Job:
    """Version 1 has a (two rows), b (one row), c (failed)."""
    job = begin(storage_url)
    commit(job, "a", "one", "two")
    commit(job, "b", "three")
    commit_failed(job, "c", "no sound")
    publish(job, manifest("a", "b", "c"))
    return job


def test_rows_assets_failures_and_accounting_vanish_at_once(job: Job) -> None:
    version = forget(job.url, ["demo/a", "demo/c"])
    dataset = open_dataset(job.url)
    assert (version.number, version.rows, version.accounting.units) == (2, 1, 1)
    assert texts(dataset) == ["three"]
    assert dataset.assets()["uri"].to_pylist() == ["demo/b"]
    assert dataset.failures().num_rows == 0
    assert dataset.ledger()["unit_id"].to_pylist() == [unit_of("b")]
    assert texts(open_dataset(job.url, version=1)) == ["one", "three", "two"]
    assert set(forgotten(job.url).to_pylist()) == {asset_of("a"), asset_of("c")}
    assert forget(job.url, ["demo/a"]) == version


def test_a_later_content_of_it_stays_away_too(job: Job) -> None:
    forget(job.url, ["demo/a"])
    commit(job, "a", "new words", version="size:2;mtime:2")
    version = publish(job, manifest("a", "b", "c", version="size:2;mtime:2"))
    assert "new words" not in texts(open_dataset(job.url))
    assert open_dataset(job.url).assets()["uri"].to_pylist() == ["demo/b", "demo/c"]
    assert unit_of("a") in committed(job).to_pylist()  # so that a run that planned it before need not go on trying
    assert sum(ref.rows for ref in version.data) == 1  # no file has the new words


def test_it_is_forgotten_while_a_run_is_on_its_way(job: Job) -> None:
    commit(job, "d", "four")
    commit(job, "e", "five")
    publish_draft(job)
    commit(job, "f", "six")
    version = forget(job.url, ["demo/a"])
    assert (version.complete, version.number, version.draft, version.published) == (True, 3, 2, (1,))
    assert texts(open_dataset(job.url)) == ["three"]
    going_on = head(job.url)
    assert going_on is not None
    assert (going_on.complete, going_on.number, going_on.rows) == (False, 3, 5)
    assert set(committed(job).to_pylist()) == set(map(unit_of, "abcdef"))
    publish_draft(job)
    assert texts(open_dataset(job.url)) == ["three"]
    publish(job, manifest(*"abcdef"))
    assert texts(open_dataset(job.url)) == ["five", "four", "six", "three"]
    assert versions(job.url) == [1, 3, 5]


def test_before_anything_is_published_a_draft_remembers(storage_url: str) -> None:
    job = begin(storage_url)
    keep_plan(storage_url, manifest("a", "b"))
    commit(job, "a", "one")
    draft = forget(storage_url, ["demo/a"])
    assert (draft.complete, draft.number) == (False, 1)
    assert forgotten(storage_url).to_pylist() == [asset_of("a")]
    commit(job, "b", "two")
    publish(job, manifest("a", "b"))
    assert texts(open_dataset(storage_url)) == ["two"]


def test_a_new_job_does_not_carry_it(job: Job) -> None:
    forget(job.url, ["demo/a"])
    new = begin(job.url, encoder="encoder-2")
    publish(new, manifest("a", "b"), carry=pa.array([unit_of("a"), unit_of("b")], pa.binary(16)))
    assert texts(open_dataset(job.url)) == ["three"]
    assert forgotten(job.url).to_pylist() == [asset_of("a")]


def test_what_was_never_listed_is_refused_with_what_is_like_it(job: Job) -> None:
    with pytest.raises(InputError, match="no asset 'other/a' was ever listed here; similar: demo/a"):
        forget(job.url, ["demo/b", "other/a"])
    with pytest.raises(InputError, match="no asset 'zzz' was ever listed here; give it as in the column `uri`"):
        forget(job.url, ["zzz"])
    newest = newest_entry(job.url)
    assert newest is not None
    assert newest.number == 1
    with pytest.raises(InputError, match="there is no output of `deglu embed` here"):
        forget(job.url + "-not", ["demo/a"])


def test_ids_derive_from_uris() -> None:
    assert asset_of("a") == asset_id("demo/a")
