"""Rows in memory keep the contract of a dataset."""

import numpy as np
import pyarrow as pa

from embed.tables import rows
from evaluate.bench.index import table_vectors
from evaluate.bench.index.table_vectors import TableVectors


def test_every_row_once_and_in_order() -> None:
    vectors = np.eye(8, dtype=np.float32)[np.arange(5000) % 8]
    made = TableVectors(vectors, (8, 4))
    table = pa.Table.from_batches(made.batches())
    assert table.schema == rows(8)
    assert (made.info.rows, made.info.dims, len(made.parts())) == (5000, (8, 4), 1)
    assert len(set(table["segment_id"].to_pylist())) == 5000
    assert np.array_equal(np.stack(table["vector"].to_numpy()), vectors)
    assert pa.Table.from_batches(made.batches(["uri"]))["uri"][4999].as_py() == "made-up/4999"


def test_parts_are_the_whole() -> None:
    made = TableVectors(np.ones((table_vectors.PART_ROWS + 3, 2), np.float32), (2,))
    assert [part.stored_rows for part in made.parts()] == [table_vectors.PART_ROWS, 3]
    (last,) = made.parts()[1].batches(["uri"])
    assert last["uri"].to_pylist() == [f"made-up/{table_vectors.PART_ROWS + i}" for i in range(3)]
