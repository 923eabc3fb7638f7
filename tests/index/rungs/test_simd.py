"""The CPU's instructions: the numbers that numpy gives."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from index.rungs import simd

needs_avx2 = pytest.mark.skipif(not simd.HAS_AVX2, reason="this CPU has no AVX2")


@njit  # type: ignore[untyped-decorator]
def _sums(codes: int, table: int, pairs: int, least: int, found: int) -> Any:
    return simd.sums(codes, table, pairs, least, found)


@njit  # type: ignore[untyped-decorator]
def _dot_avx2(row: int, values: int, count: int) -> Any:
    return simd.dot_avx2(row, values, count)


def block(codes: Any) -> Any:
    """The bytes of 32 rows' codes [32, 2 pairs], as the docstring of `index.rungs.blocks` says."""
    made = np.zeros((codes.shape[1], 16), np.uint8)
    for row in range(32):
        made[:, 2 * (row % 8) + row // 8 % 2] |= (codes[row] << 4 * (row // 16)).astype(np.uint8)
    return made


@needs_avx2
@pytest.mark.parametrize("pairs", [1, 2, 3, 8, 65, 257])
def test_sums_of_a_block_are_those_of_its_rows(pairs: int) -> None:
    rng = np.random.default_rng(pairs)
    codes = rng.integers(0, 16, (32, 2 * pairs), dtype=np.uint8)
    table = rng.integers(0, 128, (2 * pairs, 16), dtype=np.uint8)
    table[:, 3] = 127
    codes[5], codes[31] = 3, 3  # the largest sums
    bytes_of, found = block(codes), np.zeros(32, np.uint16)
    expected = table[np.arange(2 * pairs), codes].sum(axis=1, dtype=np.int64)
    assert expected.max() == 254 * pairs < 2**16
    for least in (0, int(np.median(expected)), 254 * pairs, 254 * pairs + 1):
        mask = _sums(bytes_of.ctypes.data, table.ctypes.data, pairs, least, found.ctypes.data)
        assert found.tolist() == expected.tolist()
        assert [mask >> row & 1 for row in range(64)] == [*(expected >= least).astype(int), *[0] * 32]


@pytest.mark.parametrize("dot", [simd.dot_plain, pytest.param(_dot_avx2, marks=needs_avx2)], ids=["plain", "avx2"])
@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 384, 4096])
def test_a_dot_product_is_exact_up_to_the_widest(dot: Any, count: int) -> None:
    rng = np.random.default_rng(count)
    row, values = rng.integers(-128, 128, count, np.int8), rng.integers(-4095, 4096, count, np.int16)
    for one, other in ((row, values), (np.full(count, 127, np.int8), np.full(count, 4095, np.int16))):
        expected = int(one.astype(np.int64) @ other.astype(np.int64))
        assert dot(one.ctypes.data, other.ctypes.data, count) == expected
