"""Search of a few queries through all rungs in one compiled call: route, scan, rank, exact, without Python in between.

The router and the middles of the lists are read in 8 bits, the codes in faiss' blocks, the rows as they are mapped.
All arrays that are passed by their address are checked when a shelf is opened: see `index.rungs.tables`.

Letters in shapes: q queries, L lists, S segments, M groups, k places, d code width, D full width.
"""

import time
from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from index.rungs.blocks import BUCKETS, LARGEST_NUMBER, LARGEST_SUM, RESERVOIR, scan
from index.rungs.kernels import clear, exact_one, in_16_bits, rank_one
from index.rungs.simd import dot, group_products
from index.rungs.tables import (
    BIAS,
    FIRST_ID,
    LOG_SIZE,
    MIDDLE_SCALE,
    MIDDLES,
    ROUTER,
    ROUTER_SCALE,
    ROWS,
    ROWS_8,
    ROWS_16,
    SCALES,
)

# numba keeps compiled code as long as this file is the same, so it names the state of those that are compiled into it.
COMPILED_WITH = "d8e064f5"
LEADING = 8  # lists that are read first, in order: they raise the bar for the others
FAR = 12.0  # a list whose share is e ** -12 of the best one's changes no choice
_CLOCK = time.CLOCK_MONOTONIC
_clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))


def _pointer(kind: Any) -> Any:
    @intrinsic
    def pointer(_: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(types.CPointer(kind)))

        return types.CPointer(kind)(types.int64), generate

    return pointer


_int8_at, _float_at, _bits_at = _pointer(types.int8), _pointer(types.float32), _pointer(types.uint16)


@njit(cache=True, nogil=True)
def _now(clock: NDArray[Any]) -> Any:
    """Seconds; `clock` is scratch, int64 [2]."""
    _clock_gettime(_CLOCK, clock.ctypes.data)
    return clock[0] + 1e-9 * clock[1]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def choose_lists(
    scaled: NDArray[Any],
    unit: float,
    dim: int,
    rows: NDArray[Any],
    numbers: NDArray[Any],
    kept: NDArray[Any],
    depth: float,
    slope: float,
    scores: NDArray[Any],
    chosen: NDArray[Any],
) -> int:
    """Write the lists that a query reads, as `index.rungs.kernels.route` chooses them, to chosen; their number.

    scaled int16 [D], in which 1 is worth `unit`; rows int8 [2, L, D] and numbers [4, L] of `index.rungs.tables`;
    kept [L] and slope as there; scores [L] is scratch.
    """
    count, width = numbers.shape[1], rows.shape[2]
    start, query = rows.ctypes.data + ROUTER * count * width, scaled.ctypes.data
    best, most = 0, np.float32(-np.inf)
    for j in range(count):
        product = np.float32(dot(start + j * width, query, dim))
        scores[j] = product * (numbers[ROUTER_SCALE, j] * unit) + numbers[BIAS, j]
        most = max(most, scores[j])
        if scores[j] + kept[j] > scores[best] + kept[best]:
            best = j
    top, total = scores[best] + kept[best], np.float32(0)
    for j in range(count):
        if scores[j] + kept[j] > top - np.float32(FAR):
            total += np.exp(scores[j] + kept[j] - top)
    least = np.float32(top + np.log(total) - depth)
    if slope > 0:
        every = np.float32(0)
        for j in range(count):
            if scores[j] > most - np.float32(FAR):
                every += np.exp(scores[j] - most)
        least -= np.float32(slope) * max(most + np.log(every) - top - np.log(total), np.float32(0))
    used = 0
    for j in range(count):
        scores[j] += kept[j] - numbers[LOG_SIZE, j]
        if scores[j] > least or j == best:
            chosen[used] = j
            used += 1
    for place in range(min(LEADING, used)):
        first = place
        for other in range(place + 1, used):
            if scores[chosen[other]] > scores[chosen[first]]:
                first = other
        chosen[place], chosen[first] = chosen[first], chosen[place]
    return used


@njit(cache=True, nogil=True)
def tabulate(
    query: NDArray[Any], order: NDArray[Any], points: NDArray[Any], products: NDArray[Any], table: NDArray[Any]
) -> Any:
    """Write the table [2 pairs, 16] of a query [D] for the scan; returns what a cosine of 1 is worth in it, and what
    no sum is above.

    points [M, d / M, 16]; products [M, 16] is scratch.  Each group's lowest number is 0, which changes all rows alike.
    """
    values = np.empty(order.shape[0], np.float32)
    for x in range(order.shape[0]):
        values[x] = query[order[x]]
    groups = points.shape[0]
    widest, spans = group_products(
        values.ctypes.data, points.ctypes.data, groups, points.shape[1], products.ctypes.data
    )
    widest, spans = max(widest, np.float32(1e-6)), max(spans, np.float32(1e-6))
    worth = min(np.float32(LARGEST_NUMBER) / widest, np.float32(LARGEST_SUM - groups) / spans)
    for j in range(16):
        table[table.shape[0] - 1, j] = 0  # where the number of groups is odd, the last pair has only one
    for m in range(groups):
        for j in range(16):
            table[m, j] = np.uint8(np.int32(products[m, j] * worth + np.float32(0.5)))
    return worth, min(LARGEST_SUM, np.int64(spans * worth) + groups)


@njit(cache=True, nogil=True)
def search(
    list_rows: NDArray[Any],
    list_numbers: NDArray[Any],
    points: NDArray[Any],
    order: NDArray[Any],
    lists: NDArray[Any],
    segments: NDArray[Any],
    bitmaps: NDArray[Any],
    queries: NDArray[Any],
    dim: int,
    kept: NDArray[Any],
    depth: float,
    slope: float,
    shortlist: int,
    last: int,
    ids: NDArray[Any],
    scores: NDArray[Any],
    spent: NDArray[Any],
) -> None:
    """Write the best rows for queries [q, D] to ids and scores [q, k], and to spent [7] what it took.

    list_rows int8 [2, L, D] and list_numbers [4, L]: router and middles; points [M, d / M, 16] and order [d] of the
    coder; lists int64 [S, 3, L] and segments int64 [S, 5]; bitmaps int64 [S], the address of each segment's bits or 0;
    kept [L], depth and slope are those of `index.rungs.kernels.route`.
    Of each segment `shortlist` rows by code are ranked, and `last` of them compared exactly.
    """
    count, width = list_numbers.shape[1], queries.shape[1]
    middles, longest = list_rows.ctypes.data + MIDDLES * count * width, 1
    for s in range(segments.shape[0]):
        longest = max(longest, min(shortlist, segments[s, ROWS]))
    clock, scaled = np.empty(2, np.int64), np.empty(width, np.int16)
    route_scores, chosen, extra = np.empty(count, np.float32), np.empty(count, np.int64), np.empty(count, np.int64)
    products = np.empty((points.shape[0], 16), np.float32)
    table = np.empty(((points.shape[0] + 1) // 2 * 2, 16), np.uint8)
    places, values = np.empty(RESERVOIR * longest, np.int64), np.empty(RESERVOIR * longest, np.int64)
    histogram = np.empty(BUCKETS, np.int32)
    ranked, rank_scores = np.empty(last, np.int64), np.empty(last, np.float32)
    for stage in range(spent.shape[0]):
        spent[stage] = 0
    for i in range(queries.shape[0]):
        clear(ids[i], scores[i])
        began = _now(clock)
        unit = in_16_bits(queries[i], dim, scaled)
        used = choose_lists(scaled, unit, dim, list_rows, list_numbers, kept, depth, slope, route_scores, chosen)
        worth, ceiling = tabulate(queries[i], order, points, products, table)
        for c in range(used):
            product = np.float32(dot(middles + chosen[c] * width, scaled.ctypes.data, dim))
            cosine = product * list_numbers[MIDDLE_SCALE, chosen[c]] * unit
            extra[c] = np.int64(np.rint(cosine * worth))
        routed = _now(clock)
        spent[0] += routed - began
        for s in range(segments.shape[0]):
            n, began = segments[s, ROWS], _now(clock)
            found, read = scan(
                lists[s], chosen, extra, used, table, ceiling, bitmaps[s], n, min(shortlist, max(n, 1)),
                places, values, histogram,
            )  # fmt: skip
            scanned = _now(clock)
            clear(ranked, rank_scores)
            rows_8 = carray(_int8_at(segments[s, ROWS_8]), (n, width))
            rank_one(
                scaled, places[:found], rows_8, carray(_float_at(segments[s, SCALES]), (n,)), dim, ranked, rank_scores
            )
            done = _now(clock)
            rows_16 = carray(_bits_at(segments[s, ROWS_16]), (n, width))
            exact_one(queries[i], ranked, rows_16, dim, segments[s, FIRST_ID], ids[i], scores[i])
            spent[1] += scanned - began
            spent[2] += done - scanned
            spent[3] += _now(clock) - done
            spent[4] += read
            spent[5] += found
            spent[6] += min(found, last)
