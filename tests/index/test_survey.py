"""The two passes over a dataset: the order, and every fault that must not become an index."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed.errors import FingerprintMismatch, InputError
from index.survey import survey, write_rows


def _with(vectors: Any, column: str, values: list[Any]) -> Any:
    at = vectors.table.schema.get_field_index(column)
    field = vectors.table.schema.field(at)
    return type(vectors)(vectors.table.set_column(at, field, pa.array(values, field.type)), vectors.info.dims)


def test_order_is_modality_then_segment_id(vectors_of: Any) -> None:
    vectors = vectors_of(speech=np.eye(4), text=np.eye(4), dims=(4,))
    where = survey(vectors, "data")
    assert (where.modalities, where.counts, where.firsts) == (("speech", "text"), (4, 4), (0, 4))
    assert where.encoders == ("speech-encoder", "text-encoder")
    ids = np.asarray(vectors.table["segment_id"].to_pylist(), dtype=object)[np.argsort(where.places)]
    assert list(ids) == sorted(ids[:4]) + sorted(ids[4:])


def test_each_row_lands_in_its_place(tmp_path: Any, vectors_of: Any) -> None:
    vectors = vectors_of(text=[[1, 0], [0, 1], [-1, 0]])
    where = survey(vectors, "data")
    provenance = write_rows(vectors, where, [tmp_path / "text.npy"], "data")
    numbers = [int(dict(row)["number"]) for row in provenance["metadata"].to_pylist()]
    assert np.load(tmp_path / "text.npy").tolist() == [[[1, 0], [0, 1], [-1, 0]][number] for number in numbers]


def test_nothing_to_index(vectors_of: Any) -> None:
    with pytest.raises(InputError, match="data: no rows to index; embed something into it first"):
        survey(vectors_of(dims=(2,)), "data")


def test_a_segment_that_is_there_twice(vectors_of: Any, as_vectors: Any) -> None:
    vectors = vectors_of(text=[[1, 0], [0, 1]])
    twice = as_vectors(pa.concat_tables([vectors.table, vectors.table.slice(1)]), (2,))
    segment = vectors.table["segment_id"][1].as_py().hex()
    with pytest.raises(InputError, match=f"segment {segment} is there twice"):
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
def test_mixed_makers(column: str, values: list[str], problem: str, vectors_of: Any) -> None:
    vectors = _with(vectors_of(text=[[1, 0], [0, 1]]), column, values)
    with pytest.raises(FingerprintMismatch, match=problem + ".*deglu embed SPEC --set output="):
        survey(vectors, "data")


@pytest.mark.parametrize(
    ("bad", "problem"),
    [([0.0, 0.0], "is zero"), ([np.nan, 1.0], "is NaN or infinite"), ([np.inf, 0.0], "is NaN or infinite")],
    ids=["zero", "nan", "infinite"],
)
def test_damaged_vectors_are_named(bad: list[float], problem: str, tmp_path: Any, vectors_of: Any) -> None:
    vectors = vectors_of(text=[[1, 0], bad, [0, 1]])
    segment = vectors.table["segment_id"][1].as_py().hex()
    with pytest.raises(InputError, match=f"vector of segment {segment} of text/1 {problem}"):
        write_rows(vectors, survey(vectors, "data"), [tmp_path / "text.npy"], "data")


def test_vectors_of_another_width(tmp_path: Any, vectors_of: Any, as_vectors: Any) -> None:
    vectors = as_vectors(vectors_of(text=np.eye(4), dims=(4,)).table, (8,))
    with pytest.raises(InputError, match="vectors of width 4 where its dims say 8"):
        write_rows(vectors, survey(vectors, "data"), [tmp_path / "text.npy"], "data")
