"""Vectors made up, and the index of them."""

from pathlib import Path

import numpy as np

from evaluate.bench.index.made_up import WIDTH, exact, index_of, made_up, nearest, numbers_of, shared


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
