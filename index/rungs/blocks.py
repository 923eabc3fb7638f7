"""Scan of 4-bit codes in the blocks of faiss' fast scan, for one query: the places of the best rows.

A block has 32 rows.  For each pair of groups it has 32 bytes, 16 for either group: byte 2 i has the codes of rows i
(low half) and 16 + i (high half), byte 2 i + 1 those of rows 8 + i and 24 + i, for i below 8.

A query's table has for each code of each group a number of 7 bits, so that two of them can be added in a byte.  A row's
value is the sum of its codes' numbers and of its list's: an integer, the same on every machine.

Letters in shapes: L lists, M groups, r places of the reservoir.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from index.rungs.lists import BLOCK, FIRST, SIZE, START
from index.rungs.simd import byte_at, fetch, lowest_bit, sums

# numba keeps compiled code as long as this file is the same, so it names the state of those that are compiled into it.
COMPILED_WITH = "1440eb63"
LINE, AHEAD = 64, 2  # bytes; blocks that are prefetched, as the CPU does not look beyond a page
LARGEST_NUMBER = 127  # of a table
LARGEST_SUM = 65_535
RESERVOIR = 4  # times the shortlist: at least 2, as so many rows can be as good as the last of the shortlist
BUCKETS = 2_048  # of the histogram: values above the lowest of the first rows; more are counted in the last bucket
# The state of a reservoir.  Only rows with a value above the bar are worth keeping: those are `above` rows; with the
# kept ones that have the bar's value they are at least as many as the shortlist has places.
COUNT, BAR, BASE, ABOVE = 0, 1, 2, 3
LOWEST = -(1 << 40)  # the bar until there are as many rows as the shortlist has places


@njit(cache=True, nogil=True)
def _kept_bits(bitmap: int, num_bytes: int, place: int) -> int:
    """Bits of the 32 rows from `place` on; those after the bitmap's end are 0."""
    first, bits = place >> 3, 0
    for byte in range(min(5, num_bytes - first)):
        bits |= byte_at(bitmap + first + byte) << (8 * byte)
    return (bits >> (place & 7)) & 0xFFFFFFFF


@njit(cache=True, nogil=True)
def _counted(values: NDArray[Any], count: int, base: int, histogram: NDArray[Any]) -> None:
    """Count again the values above `base`."""
    for place in range(BUCKETS):
        histogram[place] = 0
    for place in range(count):
        if values[place] > base:
            histogram[min(values[place] - base, BUCKETS - 1)] += 1


@njit(cache=True, nogil=True)
def _best(state: NDArray[Any], places: NDArray[Any], values: NDArray[Any], equal: int) -> None:
    """Keep only what is above the bar, and of those that have its value the first `equal`."""
    kept = 0
    for at in range(state[COUNT]):
        if values[at] >= state[BAR]:
            if values[at] == state[BAR]:
                if equal == 0:
                    continue
                equal -= 1
            places[kept], values[kept] = places[at], values[at]
            kept += 1
    state[COUNT] = kept


@njit(cache=True, nogil=True)
def _offer(
    state: NDArray[Any],
    places: NDArray[Any],
    values: NDArray[Any],
    histogram: NDArray[Any],
    shortlist: int,
    place: int,
    value: int,
) -> None:
    """Put a row with a value above the bar into the reservoir, and raise the bar where enough rows are above it."""
    if state[COUNT] == places.shape[0]:
        _best(state, places, values, places.shape[0])
    places[state[COUNT]], values[state[COUNT]] = place, value
    state[COUNT] += 1
    if state[COUNT] < shortlist:
        return
    if state[BAR] == LOWEST:
        lowest = values[0]
        for at in range(1, shortlist):
            lowest = min(lowest, values[at])
        state[BAR] = state[BASE] = lowest - 1
        state[ABOVE] = shortlist
        _counted(values, shortlist, state[BASE], histogram)
    else:
        state[ABOVE] += 1
        histogram[min(value - state[BASE], BUCKETS - 1)] += 1
    while state[ABOVE] >= shortlist:
        if state[BAR] - state[BASE] == BUCKETS - 2:  # the last bucket has all higher values
            state[BASE] = state[BAR]
            _counted(values, state[COUNT], state[BASE], histogram)
        state[BAR] += 1
        state[ABOVE] -= histogram[state[BAR] - state[BASE]]


@njit(cache=True, nogil=True)
def scan(
    lists: NDArray[Any],
    chosen: NDArray[Any],
    extra: NDArray[Any],
    used: int,
    table: NDArray[Any],
    ceiling: int,
    bitmap: int,
    rows: int,
    shortlist: int,
    places: NDArray[Any],
    values: NDArray[Any],
    histogram: NDArray[Any],
) -> Any:
    """Write the places of the best rows in the chosen lists to the first `shortlist` of places [r], in no order.

    lists [3, L] of a segment with `rows` rows.  The first `used` of chosen [L] are read in this order, and the numbers
    in extra [L] are added to the values of their rows.  table uint8 [2 pairs, 16], by which no sum is above `ceiling`;
    `bitmap` is the address of the bits of the rows that may be chosen, 0 where all may; values [r] and histogram are
    scratch.  Returns the number of places, and of rows that were read.  Of rows that are as good as the last, those
    that are read first are chosen.
    """
    found, state = np.empty(BLOCK, np.uint16), np.empty(4, np.int64)
    state[COUNT] = state[BASE] = state[ABOVE] = 0
    state[BAR] = LOWEST
    pairs, num_bytes = table.shape[0] // 2, (rows + 7) // 8
    read = 0
    for number in range(used):
        size, more = lists[SIZE, chosen[number]], np.int64(extra[number])
        start, first = lists[START, chosen[number]], lists[FIRST, chosen[number]]
        if number + 1 < used:
            for line in range(0, AHEAD * BLOCK * pairs, LINE):
                fetch(lists[START, chosen[number + 1]] + line)
        for row in range(0, size, BLOCK):
            least = max(0, state[BAR] + 1 - more)
            if least > ceiling:  # no row of the list is above the bar
                break
            wanted = (1 << min(BLOCK, size - row)) - 1
            if bitmap:
                wanted &= _kept_bits(bitmap, num_bytes, first + row)
                if wanted == 0:
                    continue
            read += min(BLOCK, size - row)
            for line in range(0, BLOCK * pairs, LINE):
                fetch(start + (row + AHEAD * BLOCK) * pairs + line)
            mask = sums(start + row * pairs, table.ctypes.data, pairs, least, found.ctypes.data) & wanted
            while mask:
                lane = lowest_bit(mask)
                mask &= mask - 1
                value = np.int64(found[lane]) + more
                if value > state[BAR]:
                    _offer(state, places, values, histogram, shortlist, first + row + lane, value)
    if state[COUNT] > shortlist:
        _best(state, places, values, shortlist - state[ABOVE])
    return state[COUNT], read
