"""Vectors as rows of a dataset: every row once, in order, a document of its own."""

import numpy as np

from embed.tables import rows
from evaluate.bench.index.vectors_table import SPACE, table_of


def test_every_row_once_and_in_order() -> None:
    vectors = np.eye(8, dtype=np.float32)[np.arange(5000) % 8]
    table = table_of(vectors)
    assert table.schema == rows(8)
    assert len(set(table["segment_id"].to_pylist())) == len(set(table["asset_id"].to_pylist())) == 5000
    assert set(table["space"].to_pylist()) == {SPACE}
    assert np.array_equal(np.stack(table["vector"].to_numpy()), vectors)
    assert table["uri"][4999].as_py() == "made-up/4999"
