"""Codes on vectors whose structure is known: each keeps what it promises, in the bytes that it says."""

import numpy as np
import pytest

from embed.encoder import FloatArray, truncate
from evaluate.ranks import spec
from evaluate.ranks.codes import CODES, random_rotation

SIZES = (256, 128, 64, 32, 16, 8)


def hidden(rank: int, count: int, seed: int, width: int = 64) -> FloatArray:
    """Unit vectors that lie in `rank` directions, turned so that no dimension is empty."""
    inside = np.zeros((count, width), np.float32)
    inside[:, :rank] = np.random.default_rng(seed).normal(size=(count, rank))
    return truncate(inside @ random_rotation(width, 9), width)


def error(name: str, rank: int) -> dict[int, float]:
    """Largest error of a cosine by size, of 16-direction vectors of width 64."""
    rows, queries, documents = (hidden(rank, count, seed) for count, seed in ((900, 0), (40, 1), (300, 2)))
    exact = queries @ documents.T
    return {
        size: float(np.abs(asked @ kept.T - exact).max())
        for size, asked, kept in CODES[name](rows, queries, documents, SIZES, 0)
    }


def test_directions_that_hold_everything_lose_nothing() -> None:
    """16 directions: 32 bytes of float16 by pca and svd, where prefixes need all 64 values."""
    for name in ("pca", "svd"):
        found = error(name, 16)
        assert set(found) == {128, 64, 32, 16, 8}
        assert found[32] < 0.01 + 0.1 * (name == "pca")  # centring moves cosines by the mean
        assert found[16] > 0.2
    for name in ("prefix", "random", "rotated"):
        found = error(name, 16)
        assert set(found) == {128, 64, 32, 16, 8}
        assert found[128] < 1e-3
        assert found[32] > 0.2


def test_sizes_are_the_bytes_of_the_code() -> None:
    """One byte a value, one bit a value, one byte a group, four bytes an atom; sizes that no code has are left out."""
    assert set(error("int8", 16)) == {64, 32, 16, 8}
    assert set(error("binary", 16)) == {8}
    assert set(error("product", 16)) == {32, 16, 8}
    assert set(error("sparse", 16)) == {256, 128, 64, 32, 16, 8}


def test_more_bytes_lose_less() -> None:
    assert error("int8", 64)[64] < 0.05  # one value of 500 is clipped
    for name in ("product", "sparse"):
        found = error(name, 16)
        assert found[8] > found[16] > found[32]
        assert found[32] < 0.45


def test_binary_keeps_the_order_of_near_and_far() -> None:
    rows = hidden(64, 500, 0)
    ((_, asked, kept),) = CODES["binary"](rows, rows[:50], rows, (8,), 0)
    assert set(np.unique(np.round(kept * 8, 4))) == {-1.0, 1.0}
    assert ((asked @ kept.T).argmax(axis=1) == np.arange(50)).mean() > 0.9


def test_a_spec_may_name_every_code() -> None:
    assert tuple(CODES) == spec.CODES


@pytest.mark.parametrize("name", CODES)
def test_the_same_seed_gives_the_same_codes(name: str) -> None:
    rows, documents = hidden(16, 200, 0), hidden(16, 50, 1)
    first, again = (list(CODES[name](rows, documents[:5], documents, SIZES, 3)) for _ in range(2))
    assert len(first) == len(again) > 0
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one[1], other[1])
        assert np.array_equal(one[2], other[2])
