"""The CPU's instructions: with AVX2, without, and in numpy the same numbers."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from index.rungs import simd

WAYS = [simd.sums_plain, simd.sums_avx2], [simd.dot_plain, simd.dot_avx2]
needs_avx2 = pytest.mark.skipif(not simd.HAS_AVX2, reason="this CPU has no AVX2")
NAMES = ["plain", pytest.param("avx2", marks=needs_avx2)]


@njit  # type: ignore[untyped-decorator]
def _sums_avx2(codes: int, table: int, pairs: int, least: int, sums: int) -> Any:
    return simd.sums_avx2(codes, table, pairs, least, sums)


@njit  # type: ignore[untyped-decorator]
def _dot_avx2(row: int, values: int, count: int) -> Any:
    return simd.dot_avx2(row, values, count)


SUMS, DOTS = {"plain": simd.sums_plain, "avx2": _sums_avx2}, {"plain": simd.dot_plain, "avx2": _dot_avx2}


def block(codes: Any) -> Any:
    """The bytes of 32 rows' codes [32, 2 pairs], as the docstring of `index.rungs.blocks` says."""
    made = np.zeros((codes.shape[1], 16), np.uint8)
    for row in range(32):
        made[:, 2 * (row % 8) + row // 8 % 2] |= (codes[row] << 4 * (row // 16)).astype(np.uint8)
    return made


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pairs", [1, 2, 3, 8, 65, 257])
def test_sums_of_a_block_are_those_of_its_rows(name: str, pairs: int) -> None:
    rng = np.random.default_rng(pairs)
    codes = rng.integers(0, 16, (32, 2 * pairs), dtype=np.uint8)
    table = rng.integers(0, 128, (2 * pairs, 16), dtype=np.uint8)
    table[:, 3] = 127
    codes[5], codes[31] = 3, 3  # the largest sums
    bytes_of, found = block(codes), np.zeros(32, np.uint16)
    expected = table[np.arange(2 * pairs), codes].sum(axis=1, dtype=np.int64)
    assert expected.max() == 254 * pairs < 2**16
    for least in (0, int(np.median(expected)), 254 * pairs, 254 * pairs + 1):
        mask = SUMS[name](bytes_of.ctypes.data, table.ctypes.data, pairs, least, found.ctypes.data)
        assert found.tolist() == expected.tolist()
        assert [mask >> row & 1 for row in range(64)] == [*(expected >= least).astype(int), *[0] * 32]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 384, 4096])
def test_a_dot_product_is_exact_up_to_the_widest(name: str, count: int) -> None:
    rng = np.random.default_rng(count)
    row, values = rng.integers(-128, 128, count, np.int8), rng.integers(-4095, 4096, count, np.int16)
    for one, other in ((row, values), (np.full(count, 127, np.int8), np.full(count, 4095, np.int16))):
        expected = int(one.astype(np.int64) @ other.astype(np.int64))
        assert DOTS[name](one.ctypes.data, other.ctypes.data, count) == expected
