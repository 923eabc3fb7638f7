"""The passes over a dataset: what is in it, a sample of it, and every fault that must not become an index."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed.errors import FingerprintMismatch, InputError
from index.building.survey import sample_rows, survey


def _with(vectors: Any, column: str, values: list[Any]) -> Any:
    at = vectors.table.schema.get_field_index(column)
    field = vectors.table.schema.field(at)
    return type(vectors)(
        vectors.table.set_column(at, field, pa.array(values, field.type)), vectors.info.dims, vectors.info.space
    )


def test_what_there_is(vectors_of: Any) -> None:
    vectors = vectors_of(speech=np.eye(4), text=np.eye(4)[:3], dims=(4,))
    looked: list[int] = []
    found = survey(vectors, "data", seen=looked.append)
    assert (found.modalities, found.counts, found.firsts, found.rows) == (("speech", "text"), (4, 3), (0, 4), 7)
    assert found.encoders == ("speech-encoder", "text-encoder")
    ids = vectors.table["segment_id"].to_pylist()
    assert found.ids["text"].tolist() == sorted(ids[:3])
    assert sum(looked) == 7


def test_rows_to_be_left_out(vectors_of: Any) -> None:
    vectors = vectors_of(speech=np.eye(4), text=np.eye(4)[:1], dims=(4,))
    found = survey(vectors, "data", skip=vectors.table["segment_id"].combine_chunks()[:2])
    assert (found.modalities, found.counts) == (("speech",), (3,))
    with pytest.raises(InputError, match="no rows to index"):
        survey(vectors, "data", skip=vectors.table["segment_id"].combine_chunks())


@pytest.mark.parametrize("part_rows", [1_000, 7], ids=["one part", "parts of seven"])
def test_the_sample_is_the_rows_with_the_smallest_ids(part_rows: int, vectors_of: Any, as_vectors: Any) -> None:
    """Row i is i degrees round the circle."""
    angles = np.deg2rad(np.arange(40))
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vectors = vectors_of(text=circle, speech=circle, dims=(2,))
    shuffled = vectors.table.take(pa.array(np.random.default_rng(1).permutation(80)))
    other = as_vectors(shuffled, (2,), batch_rows=9, part_rows=part_rows)
    found = sample_rows(other, survey(other, "data"), {"text": 5}, "data")
    assert set(found) == {"text"}
    order = np.argsort(np.array(vectors.table["segment_id"].to_pylist()[:40], "S16"))
    assert found["text"].tolist() == circle.astype(np.float16)[order[:5]].tolist()


def test_a_sample_larger_than_the_dataset_is_all_of_it(vectors_of: Any) -> None:
    vectors = vectors_of(text=np.eye(4), speech=-np.eye(4), dims=(4,))
    found = sample_rows(vectors, survey(vectors, "data"), {"text": 9, "speech": 4}, "data")
    assert {name: sorted(rows.tolist()) for name, rows in found.items()} == {
        "text": sorted(np.eye(4).tolist()),
        "speech": sorted((-np.eye(4)).tolist()),
    }


def test_nothing_to_index(vectors_of: Any) -> None:
    with pytest.raises(InputError, match="data: no rows to index; embed something into it first"):
        survey(vectors_of(dims=(2,)), "data")


def test_a_segment_that_is_there_twice(vectors_of: Any, as_vectors: Any) -> None:
    vectors = vectors_of(text=[[1, 0], [0, 1]])
    twice = as_vectors(pa.concat_tables([vectors.table, vectors.table.slice(1)]), (2,))
    segment = vectors.table["segment_id"][1].as_py().hex()
    with pytest.raises(InputError, match=f"segment {segment} is stored twice"):
        survey(twice, "data")


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("space", ["space-1", "space-2"], r"rows of several spaces \(space-1, space-2\)"),
        ("space", ["space-2", "space-2"], r"rows of several spaces \(space-1, space-2\)"),
        ("encoder", ["one", "two"], "text rows of several encoders"),
    ],
    ids=["two spaces", "not the dataset's space", "two encoders"],
)
@pytest.mark.parametrize("batch_rows", [1, 300], ids=["batch by batch", "in one batch"])
def test_mixed_makers(column: str, values: list[str], problem: str, batch_rows: int, vectors_of: Any) -> None:
    vectors = _with(vectors_of(text=[[1, 0], [0, 1]]), column, values)
    vectors.batch_rows = batch_rows
    with pytest.raises(FingerprintMismatch, match=problem + ".*deglu embed SPEC --set output="):
        survey(vectors, "data")


def test_damaged_vectors_are_not_sampled(vectors_of: Any) -> None:
    vectors = vectors_of(text=[[0, 0]])
    with pytest.raises(InputError, match="is zero"):
        sample_rows(vectors, survey(vectors, "data"), {"text": 1}, "data")
