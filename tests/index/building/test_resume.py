"""What a build keeps while it is under way, on the local disk and on S3."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.storage import store
from index.building.resume import BuildCheckpoint, key_of
from index.building.shard import write_shard
from index.parts.artifact import Lineage, PartEntry
from index.spec import IndexSpec

ROWS = [[1, 0], [0, 1], [-1, 0]]


@pytest.fixture
def checkpoint(storage_url: str) -> BuildCheckpoint:
    return BuildCheckpoint(storage_url, "key")


def _keep(checkpoint: BuildCheckpoint, part: Any, name: str) -> None:
    with checkpoint.workspace() as folder:
        counts = write_shard(part, {"text": None, "speech": None}, folder, "data")
        checkpoint.keep_shard(name, folder, counts)


def test_a_shard_comes_back_as_it_was(checkpoint: BuildCheckpoint, tmp_path: Path, vectors_of: Any) -> None:
    (part,) = vectors_of(text=ROWS).parts()
    assert checkpoint.shards() == set()
    _keep(checkpoint, part, "a")
    _keep(checkpoint, vectors_of(speech=ROWS).parts()[0], "b")
    assert checkpoint.shards() == {"a", "b"}
    (source,) = checkpoint.sources("text", ["a", "b"], tmp_path / "fetched")
    numbers = [int(dict(row)["number"]) for row in pq.read_table(source.provenance)["metadata"].to_pylist()]
    assert np.asarray(source.rows).tolist() == [ROWS[number] for number in numbers]
    assert source.lists is None


@pytest.mark.parametrize("file", ["done.json", "text/rows.f16.npy"], ids=["no end", "a file cut short"])
def test_a_shard_that_is_not_whole_is_none(file: str, checkpoint: BuildCheckpoint, vectors_of: Any) -> None:
    _keep(checkpoint, vectors_of(text=ROWS).parts()[0], "a")
    place = store.join(checkpoint.url, "a", file)
    store.write_bytes(place, store.read_bytes(place)[:5])
    assert checkpoint.shards() == set()


def test_the_coders_that_were_made(checkpoint: BuildCheckpoint) -> None:
    assert checkpoint.coders() is None
    kept = {"text": PartEntry(name="coder-text-1", files={}), "speech": None}
    checkpoint.keep_coders(kept)
    assert checkpoint.coders() == kept


def test_nothing_is_left_of_any_build(checkpoint: BuildCheckpoint, vectors_of: Any) -> None:
    _keep(checkpoint, vectors_of(text=ROWS).parts()[0], "a")
    other = BuildCheckpoint(checkpoint.index, "given-up")
    other.keep_coders({"text": None})
    checkpoint.clear()
    assert store.listing(checkpoint.index) == []
    checkpoint.clear()


def test_the_key_stands_for_rows_and_settings(vectors_of: Any, as_vectors: Any) -> None:
    spec = IndexSpec(vectors="data", output="out")
    lineage = Lineage(url="data", version=1, sha256=None, settings={})
    vectors = vectors_of(text=ROWS)
    parts, skip = vectors.parts(), pa.array([], pa.binary(16))

    keys = {
        key_of(spec, lineage, parts, skip),
        key_of(spec.model_copy(update={"lists": 7}), lineage, parts, skip),
        key_of(spec, lineage.model_copy(update={"version": 2}), parts, skip),
        key_of(spec, lineage, as_vectors(vectors.table, (2,), part_rows=2).parts(), skip),
        key_of(spec, lineage, parts, vectors.table["segment_id"].combine_chunks()[:1]),
    }
    assert len(keys) == 5
    same = key_of(spec.model_copy(update={"workers": 3, "output": "elsewhere"}), lineage, vectors.parts(), skip)
    assert same == key_of(spec, lineage, parts, skip)
