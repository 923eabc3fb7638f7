import numpy as np
import pytest

from embed.errors import InputError
from index.product import product_coded


def test_vectors_of_few_values_are_kept_exactly() -> None:
    """Each group has four values at most, so every group has a centroid of its own."""
    rng = np.random.default_rng(0)
    vectors = rng.integers(0, 2, size=(600, 8)).astype(np.float32)
    found = product_coded(vectors, vectors[:50], 4)
    assert np.abs(found - vectors[:50]).max() < 1e-5
    assert np.array_equal(found, product_coded(vectors, vectors[:50], 4))


def test_fewer_rows_than_centroids_and_groups_that_do_not_divide() -> None:
    rows = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    assert product_coded(rows, rows, 2).shape == (20, 8)
    with pytest.raises(InputError, match="give a divisor of 8"):
        product_coded(rows, rows, 3)
