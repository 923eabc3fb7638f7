"""Vectors made up, and the index of them."""

from pathlib import Path

import numpy as np

from embed import tables
from evaluate.bench.index.made_up import SPACE, WIDTH, exact, index_of, made_up, nearest, numbers_of, shared, table_of


def test_with_every_row_read_both_find_the_same(tmp_path: Path) -> None:
    rows = made_up(150, np.random.default_rng(0))
    index = index_of(rows, str(tmp_path))
    ours, theirs = numbers_of(index)[nearest(index, rows[:20], 1)], exact(rows).search(rows[:20], 1)[1]
    assert ours.tolist() == theirs.tolist() == [[i] for i in range(20)]


def test_made_up_energy_falls_along_the_dimensions() -> None:
    rows = made_up(200, np.random.default_rng(0))
    energy = (rows**2).mean(0)
    assert rows.shape == (200, WIDTH)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert energy[0] > 10 * energy[50] > 20 * energy[-50:].mean()


def test_shared_counts_what_was_found() -> None:
    assert shared(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [4, 9]])) == 0.75


def test_a_table_has_every_row_once_and_in_order() -> None:
    vectors = np.eye(8, dtype=np.float32)[np.arange(5000) % 8]
    table = table_of(vectors)
    assert table.schema == tables.rows(8)
    assert len(set(table["segment_id"].to_pylist())) == len(set(table["asset_id"].to_pylist())) == 5000
    assert set(table["space"].to_pylist()) == {SPACE}
    assert np.array_equal(np.stack(table["vector"].to_numpy()), vectors)
    assert table["uri"][4999].as_py() == "made-up/4999"
