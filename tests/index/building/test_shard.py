"""One part of a dataset: its rows in order, with their lists; damaged vectors are named."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from embed.errors import InputError
from embed.tables import PROVENANCE
from index.building.shard import write_shard
from index.rungs.coder import train_coder

FLAT = {"speech": None, "text": None}


def _numbers(folder: Path) -> list[int]:
    return [int(dict(row)["number"]) for row in pq.read_table(folder / "provenance.parquet")["metadata"].to_pylist()]


def test_rows_and_provenance_by_segment_id(tmp_path: Path, vectors_of: Any) -> None:
    text = [[1, 0], [0, 1], [-1, 0]]
    (part,) = vectors_of(text=text, speech=[[0, -1]]).parts()
    assert write_shard(part, FLAT, tmp_path, "data") == {"speech": 1, "text": 3}
    table = pq.read_table(tmp_path / "text" / "provenance.parquet")
    assert table.schema.equals(PROVENANCE)
    ids = table["segment_id"].to_pylist()
    assert ids == sorted(part.table["segment_id"].to_pylist()[:3])
    rows = np.load(tmp_path / "text" / "rows.f16.npy")
    assert rows.tolist() == [text[number] for number in _numbers(tmp_path / "text")]
    assert np.load(tmp_path / "speech" / "rows.f16.npy").tolist() == [[0, -1]]
    assert not (tmp_path / "text" / "lists.i32.npy").exists()


def test_a_coder_sorts_the_rows_into_lists(tmp_path: Path, vectors_of: Any, nested_rows: Any) -> None:
    rows = nested_rows(300, 16, 1).astype(np.float16)
    coder = train_coder(rows, 4, 16, 8)
    (part,) = vectors_of(text=rows, dims=(16,)).parts()
    write_shard(part, {"text": coder}, tmp_path, "data")
    lists, written = (np.load(tmp_path / "text" / name) for name in ("lists.i32.npy", "rows.f16.npy"))
    assert lists.dtype == np.int32
    assert set(lists) == {0, 1, 2, 3}
    assert (coder.lists_of(written) == lists).all()
    ids = pq.read_table(tmp_path / "text" / "provenance.parquet")["segment_id"].to_pylist()
    keys = list(zip(lists.tolist(), ids, strict=True))
    assert keys == sorted(keys)
    assert (written == rows[_numbers(tmp_path / "text")]).all()


def test_rows_to_be_left_out(tmp_path: Path, vectors_of: Any) -> None:
    (part,) = vectors_of(text=np.eye(4), speech=np.eye(4)[:1], dims=(4,)).parts()
    skip = part.table["segment_id"].take([0, 2, 4])
    assert write_shard(part, FLAT, tmp_path, "data", skip.combine_chunks()) == {"text": 2}
    assert sorted(_numbers(tmp_path / "text")) == [1, 3]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [([0.0, 0.0], "is zero"), ([np.nan, 1.0], "is NaN or infinite"), ([np.inf, 0.0], "is NaN or infinite")],
    ids=["zero", "nan", "infinite"],
)
def test_damaged_vectors_are_named(bad: list[float], problem: str, tmp_path: Path, vectors_of: Any) -> None:
    (part,) = vectors_of(text=[[1, 0], bad, [0, 1]]).parts()
    segment = part.table["segment_id"][1].as_py().hex()
    with pytest.raises(InputError, match=f"vector of segment {segment} of text/1 {problem}"):
        write_shard(part, FLAT, tmp_path, "data")


def test_vectors_of_another_width(tmp_path: Path, vectors_of: Any) -> None:
    (part,) = vectors_of(text=np.eye(4), dims=(4,)).parts()
    with pytest.raises(InputError, match="vectors have width 4, its dims say 8"):
        write_shard(part, FLAT, tmp_path, "data", width=8)
