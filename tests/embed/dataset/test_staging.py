import numpy as np
import pyarrow as pa
import pytest

from embed.dataset.job import Job
from embed.dataset.staging import attempts, commit_unit, mark_attempts, read_units, staged, staged_of
from embed.errors import FingerprintMismatch, StorageError
from embed.storage.store import join, listing, write_bytes
from embed.tables import FAILURES
from tests.embed.vectors import begin, commit, commit_failed, failures_of, ledger_row, unit_of, unit_rows

NONE = FAILURES.empty_table()


def test_a_commit_is_one_object_with_everything_in_it(storage_url: str) -> None:
    job = begin(storage_url)
    table = unit_rows("a", ["one", "two"])
    commit_unit(job, table, ledger_row("a", 2), failures_of("a", "the end is torn"))
    assert [entry.url for entry in listing(join(storage_url, "staging"))] == [
        join(storage_url, "staging", "00000001", unit_of("a").hex() + ".parquet")
    ]
    [unit] = read_units(job, staged(job))
    assert unit.rows.equals(table)
    assert unit.ledger == ledger_row("a", 2)
    assert unit.failures == failures_of("a", "the end is torn").to_pylist()


def test_a_unit_without_rows_commits_too(storage_url: str) -> None:
    job = begin(storage_url)
    commit_failed(job, "a", "no sound")
    [unit] = read_units(job, staged(job))
    assert (unit.rows.num_rows, unit.ledger["outcome"]) == (0, "failed")


def test_committing_again_replaces_and_equal_units_are_equal_bytes(storage_url: str) -> None:
    job = begin(storage_url)
    commits = []
    for text in ("one", "one", "two"):
        commit(job, "a", text)
        [unit] = read_units(job, staged(job))
        commits.append(unit.commit)
    assert commits[0] == commits[1] != commits[2]


def test_attempts_are_counted_for_many_at_once(storage_url: str) -> None:
    job = begin(storage_url)
    many = [unit_of(str(number)) for number in range(20)]
    assert attempts(job) == {}
    assert mark_attempts(job, many) == dict.fromkeys(many, 1)
    assert mark_attempts(job, many[:2]) == dict.fromkeys(many[:2], 2)
    assert attempts(job) == {**dict.fromkeys(many, 1), **dict.fromkeys(many[:2], 2)}


def test_what_is_staged_is_told_without_a_listing(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    assert staged_of(job, map(unit_of, "abc")) == {unit_of("a")}
    assert staged_of(job, []) == set()


def test_units_that_are_gone_are_left_out(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    assert [unit.unit_id for unit in read_units(job, [unit_of("z"), unit_of("a")])] == [unit_of("a")]


def test_jobs_of_one_output_have_staging_of_their_own(storage_url: str) -> None:
    first, second = begin(storage_url), begin(storage_url, encoder="encoder-2")
    commit(second, "a", "one")
    mark_attempts(second, [unit_of("a")])
    assert (staged(first), attempts(first)) == ([], {})
    assert (staged(second), attempts(second)) == ([unit_of("a")], {unit_of("a"): 1})


@pytest.mark.parametrize("vector", [[0, 0, 0, 0], [2, 0, 0, 0], [np.nan, 0, 0, 0]], ids=["zero", "long", "nan"])
def test_only_unit_vectors_are_committed(tmp_path: str, vector: list[float]) -> None:
    job, table = begin(str(tmp_path)), unit_rows("a", ["one"])
    column = pa.array([np.array(vector, np.float16)], pa.list_(pa.float16(), 4))
    table = table.set_column(table.num_columns - 1, "vector", column)
    with pytest.raises(ValueError, match="a vector is not of unit length"):
        commit_unit(job, table, ledger_row("a", 1), NONE)


def test_contradictions_are_refused(tmp_path: str) -> None:
    job = begin(str(tmp_path))
    with pytest.raises(ValueError, match="the ledger has 2 rows, but there are 1"):
        commit_unit(job, unit_rows("a", ["one"]), ledger_row("a", 2), NONE)
    with pytest.raises(ValueError, match="a row of another unit"):
        commit_unit(job, unit_rows("a", ["one"]), ledger_row("b", 1), NONE)
    assert staged(job) == []


def test_damaged_and_foreign_units_are_named(tmp_path: str) -> None:
    job = begin(str(tmp_path))
    commit(job, "a", "one")
    other = Job(**{**job.model_dump(), "url": job.url, "encoder": "encoder-2"})
    with pytest.raises(FingerprintMismatch, match="embedded by encoder-1, the job by encoder-2"):
        list(read_units(other, staged(job)))
    write_bytes(join(job.url, "staging", "00000001", unit_of("a").hex() + ".parquet"), b"PAR1")
    write_bytes(join(job.url, "staging", "00000001", "README"), b"a stranger's")
    with pytest.raises(StorageError, match="damaged"):
        list(read_units(job, staged(job)))
