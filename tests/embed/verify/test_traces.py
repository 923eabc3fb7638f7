"""What is left of an asset in all files of a dataset."""

import pyarrow as pa
import pytest

from embed.dataset.job import Job
from embed.dataset.publish import publish
from embed.tables import ID
from embed.verify.traces import Traces, traces
from tests.embed.vectors import asset_of, begin, commit, commit_failed, manifest


@pytest.fixture
def job(storage_url: str) -> Job:
    """Assets a (two rows) and b (failed) are published, c (one row) is staged."""
    job = begin(storage_url)
    commit(job, "a", "one", "two")
    commit_failed(job, "b", "cut off")
    publish(job, manifest("a", "b"))
    commit(job, "c", "three")
    return job


def found_of(job: Job, *names: str) -> Traces:
    return traces(job.url, pa.array([asset_of(name) for name in names], ID))


def test_rows_and_names_are_found_wherever_they_are(job: Job) -> None:
    found = found_of(job, "a")
    assert list(found.holding.values()) == [2]
    assert [name.partition("/")[0] for name in (*found.holding, *found.naming)] == ["data", "assets"]
    found = found_of(job, "b", "c")
    assert sorted(name.partition("/")[0] for name in (*found.holding, *found.naming)) == [
        "assets",
        "failures",
        "staging",
    ]
    assert found_of(job, "nobody") == found_of(job) == Traces({}, {})
