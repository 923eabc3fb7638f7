"""The scan of blocks of codes: as plain numpy, whatever the lists, the rows that may be chosen and the shortlist."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.rungs import blocks
from tests.index.rungs.test_simd import block, needs_avx2

pytestmark = needs_avx2


def _stored(codes: Any, sizes: Any) -> tuple[Any, list[Any]]:
    """A list table of rows' codes [n, 2 pairs] in lists of these sizes, and the arrays that it names."""
    ends = np.cumsum(sizes)
    arrays, table = [], np.zeros((3, len(sizes)), np.int64)
    for number, (first, end) in enumerate(zip(ends - sizes, ends, strict=True)):
        padded = np.zeros((-(-int(sizes[number]) // 32) * 32, codes.shape[1]), np.uint8)
        padded[: end - first] = codes[first:end]
        arrays.append(np.array([block(some) for some in padded.reshape(-1, 32, codes.shape[1])]))
        table[:, number] = arrays[-1].ctypes.data, sizes[number], first
    return table, arrays


def _scanned(
    table: Any, chosen: Any, extra: Any, numbers: Any, rows: int, shortlist: int, kept: Any = None
) -> tuple[list[int], int]:
    bits = None if kept is None else np.packbits(kept, bitorder="little")
    places, values = (np.empty(blocks.RESERVOIR * shortlist, np.int64) for _ in range(2))
    ceiling = int(numbers.max(axis=1).sum())
    count, read = blocks.scan(
        table, np.asarray(chosen, np.int64), np.asarray(extra, np.int64), len(chosen), numbers, ceiling,
        0 if bits is None else bits.ctypes.data, rows, shortlist, places, values, np.empty(blocks.BUCKETS, np.int32),
    )  # fmt: skip
    return places[:count].tolist(), read


@pytest.mark.slow
@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from([0, 1, 31, 32, 33, 64, 100, 257]), min_size=1, max_size=6),
    st.integers(1, 5),
    st.sampled_from([1, 7, 50, 400]),
    st.sampled_from([0, 3, 60_000]),
    st.sampled_from([None, 0.0, 0.02, 0.7]),
)
def test_the_scan_is_numpys(
    seed: int, sizes: list[int], pairs: int, shortlist: int, spread: int, share: float | None
) -> None:
    rng = np.random.default_rng(seed)
    rows = sum(sizes)
    codes = rng.integers(0, 16, (rows, 2 * pairs), dtype=np.uint8)
    numbers = rng.integers(0, 128, (2 * pairs, 16), dtype=np.uint8)
    kept = None if share is None else rng.random(rows) < share
    chosen = rng.permutation(len(sizes))[: rng.integers(1, len(sizes) + 1)]
    extra = rng.integers(-spread, spread + 1, len(chosen))
    table, owners = _stored(codes, np.array(sizes))
    places, read = _scanned(table, chosen, extra, numbers, rows, shortlist, kept)
    assert len(owners) == len(sizes)

    values = numbers[np.arange(2 * pairs), codes].sum(axis=1, dtype=np.int64)
    lists = np.repeat(np.arange(len(sizes)), sizes)
    may = np.isin(lists, chosen) & (True if kept is None else kept)
    values[np.isin(lists, chosen)] += extra[[chosen.tolist().index(one) for one in lists if one in chosen]]
    assert len({*places}) == len(places) == min(shortlist, may.sum())
    assert may[places].all()
    assert np.sort(values[places])[::-1].tolist() == np.sort(values[may])[::-1][:shortlist].tolist()
    assert read <= sum(sizes[number] for number in chosen)


@pytest.mark.parametrize("order", ["rising", "falling", "equal", "far apart"])
def test_the_order_of_the_rows_changes_nothing(order: str) -> None:
    """Rows that are each better than all before replace the whole reservoir many times."""
    rows = np.arange(2_000)
    values = {
        "rising": rows // 16,
        "falling": 125 - rows // 16,
        "equal": rows * 0 + 9,
        "far apart": rows % 5 // 4 * 120,
    }
    codes = np.zeros((2_000, 2), np.uint8)
    codes[:, 0], codes[:, 1] = values[order] % 8, values[order] // 8
    numbers = (np.arange(16)[None] * np.array([[1], [8]])).astype(np.uint8)
    table, owners = _stored(codes, np.array([2_000]))
    places, _ = _scanned(table, [0], [0], numbers, 2_000, 30)
    assert owners
    assert np.sort(values[order][places]).tolist() == np.sort(values[order])[-30:].tolist()


def test_lists_that_cannot_be_better_are_not_read() -> None:
    codes = np.full((64, 2), 5, np.uint8)
    numbers = np.tile(np.arange(16, dtype=np.uint8)[None], (2, 1))
    table, owners = _stored(codes, np.array([32, 32]))
    assert _scanned(table, [0, 1], [100, 0], numbers, 64, 10) == (list(range(10)), 32)
    assert _scanned(table, [1, 0], [0, 100], numbers, 64, 10)[1] == 64
    assert owners
