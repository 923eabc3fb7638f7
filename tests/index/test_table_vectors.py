"""A dataset in memory keeps the contract of one on storage."""

from typing import Any

import numpy as np
import pyarrow as pa

from embed.tables import rows
from index.contracts import Vectors
from index.table_vectors import TableVectors


def _number(table: pa.Table) -> list[int]:
    return [int(dict(one)["number"]) for one in table["metadata"].to_pylist()]


def test_batches_are_every_row_once_and_in_order(vectors_of: Any) -> None:
    table = vectors_of(text=np.eye(8)[np.arange(50) % 8], dims=(8, 4)).table
    made: Vectors = TableVectors(table, (8, 4), "space-1", batch_rows=7)
    batches = list(made.batches())
    assert [len(batch) for batch in batches] == [7] * 7 + [1]
    assert pa.Table.from_batches(batches).schema == rows(8)
    assert _number(pa.Table.from_batches(batches)) == list(range(50))
    assert next(iter(made.batches(["uri"]))).schema.names == ["uri"]
    assert (made.info.rows, made.info.dims, made.info.space, made.info.metric) == (50, (8, 4), "space-1", "cosine")


def test_parts_are_the_whole_and_named_by_their_rows(vectors_of: Any) -> None:
    table = vectors_of(text=np.eye(8)[np.arange(50) % 8], dims=(8,)).table
    made, again = (TableVectors(table, (8,), "space-1", batch_rows=size, part_rows=20) for size in (7, 50))
    assert [part.stored_rows for part in made.parts()] == [20, 20, 10]
    assert [number for part in made.parts() for number in _number(pa.Table.from_batches(part.batches()))] == list(
        range(50)
    )
    assert [part.name for part in made.parts()] == [part.name for part in again.parts()]
    assert len({part.name for part in made.parts()}) == 3
