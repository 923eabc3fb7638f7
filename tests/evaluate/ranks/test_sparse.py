"""Sparse codes of vectors that are sums of known atoms."""

import numpy as np

from evaluate.ranks.sparse import dictionary, pursuit, sparse_codes


def test_pursuit_finds_the_atoms_of_a_sum_the_largest_first() -> None:
    atoms = np.eye(8, dtype=np.float32)
    chosen, weights = pursuit(np.asarray([[0, 3, 0, -5, 0, 0, 1, 0]], np.float32), atoms, 3)
    assert chosen.tolist() == [[3, 1, 6]]
    assert weights.tolist() == [[-5, 3, 1]]


def test_a_dictionary_of_single_atoms_is_learned() -> None:
    """Rows along four directions of sixteen, with noise: the atoms lie along these."""
    rng = np.random.default_rng(0)
    axes = np.eye(16, dtype=np.float32)[:4]
    rows = (axes[rng.integers(4, size=400)] + rng.normal(0, 0.02, (400, 16))).astype(np.float32)
    atoms = dictionary(rows, 0)
    assert np.abs(axes @ atoms.T).max(axis=1).min() > 0.99
    (found,) = [kept for _, kept in sparse_codes(rows, axes, (4,), 0)]
    assert np.abs(found - axes).max() < 0.1


def test_too_few_rows_or_bytes_have_no_code() -> None:
    rows = np.eye(8, dtype=np.float32)
    assert list(sparse_codes(rows[:1], rows, (16,), 0)) == []
    assert list(sparse_codes(rows, rows, (3,), 0)) == []
