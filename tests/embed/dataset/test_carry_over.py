"""A new job in an old output: what it keeps."""

from pathlib import Path

import pyarrow as pa
import pytest

from embed.dataset import VectorsDataset, open_dataset
from embed.dataset.carry_over import carriable
from embed.dataset.job import Job
from embed.dataset.publish import committed, publish, publish_draft
from embed.errors import SpecError
from embed.tables import ID
from tests.embed.vectors import begin, commit, commit_failed, manifest, unit_of


def texts(dataset: VectorsDataset) -> list[str]:
    return sorted(dataset.table(["text"])["text"].to_pylist())


def done(job: Job) -> set[bytes]:
    return set(committed(job).to_pylist())


def test_a_new_job_starts_from_nothing_but_what_it_carries(storage_url: str) -> None:
    old = begin(storage_url)
    for name in "abc":
        commit(old, name, f"{name} 1", f"{name} 2")
    commit_failed(old, "d", "no text")
    publish(old, manifest(*"abcd"))
    new = begin(storage_url, encoder="encoder-2")
    assert done(new) == set()
    units = pa.array(list(map(unit_of, "abdz")), ID)
    carry = carriable(new, units)
    assert set(carry.to_pylist()) == {unit_of("a"), unit_of("b")}
    commit(new, "c", "c anew")
    publish_draft(new)
    assert done(new) == {unit_of("c")}
    assert texts(open_dataset(storage_url)) == ["a 1", "a 2", "b 1", "b 2", "c 1", "c 2"]
    commit(new, "d", "d at last")
    version = publish(new, manifest(*"abcd"), carry=carry)
    dataset = open_dataset(storage_url)
    assert texts(dataset) == ["a 1", "a 2", "b 1", "b 2", "c anew", "d at last"]
    assert (version.job, version.rows, version.encoder) == (2, 6, "encoder-2")
    assert set(dataset.table(["encoder"])["encoder"].to_pylist()) == {"encoder-2"}
    assert done(new) == set(map(unit_of, "abcd"))
    assert carriable(new, units).to_pylist() == []
    assert len(texts(open_dataset(storage_url, version=1))) == 6
    with pytest.raises(SpecError, match="the later job 2 uses this output with another spec"):
        publish(old, manifest(*"abc"))


def test_nothing_is_carried_into_another_space(tmp_path: Path) -> None:
    old = begin(str(tmp_path))
    commit(old, "a", "one")
    publish(old, manifest("a"))
    new = begin(str(tmp_path), space="space-2")
    assert carriable(new, pa.array([unit_of("a")], ID)).to_pylist() == []
    assert publish(new, manifest("a"), carry=pa.array([unit_of("a")], ID)).rows == 0
