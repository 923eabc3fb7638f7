"""Kernels of the rungs: loops over single rows, compiled by numba on first use (a few seconds, once a machine).

Letters in shapes: q queries, L lists, c candidates, k places, D full width.  Queries are float32 unit rows, zero after
the requested width; -1 is no candidate.  All kernels release the GIL.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from index.rungs.simd import dot, fetch, half

# numba keeps compiled code as long as this file is the same, so it names the state of those that are compiled into it.
COMPILED_WITH = "1440eb63"
NO_ROW = -1
# Rows that are prefetched while another is computed: enough to hide a cache miss, few enough to stay in the cache.
AHEAD = 8
LINE = 64  # bytes
# At this scale the sum of int16 times int8 over 4,096 dims is below 2**31.
QUERY_SCALE = 4095.0


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def prepare(queries: NDArray[Any], dim: int, out: NDArray[Any]) -> int:
    """Write to `out` the queries cut to `dim`, of unit length, then zeros.

    Returns the first row that is zero, NaN or infinite, else -1.
    """
    for i in range(queries.shape[0]):
        total = np.float32(0)
        for j in range(queries.shape[1]):
            total += queries[i, j] * queries[i, j]
        square = np.float32(0)
        for j in range(dim):
            square += queries[i, j] * queries[i, j]
        if not (np.isfinite(total) and square > 0):
            return i
        factor = np.float32(1) / np.sqrt(square)
        for j in range(dim):
            out[i, j] = queries[i, j] * factor
        for j in range(dim, out.shape[1]):
            out[i, j] = 0
    return NO_ROW


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def products(queries: NDArray[Any], weights: NDArray[Any], out: NDArray[Any]) -> None:
    """out [q, L]: queries [q, D] times weights [L, D].

    Only on this thread: a matrix library starts threads of its own for a product that takes microseconds.
    """
    for i in range(queries.shape[0]):
        for j in range(weights.shape[0]):
            total = np.float32(0)
            for x in range(queries.shape[1]):
                total += queries[i, x] * weights[j, x]
            out[i, j] = total


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def route(
    scores: NDArray[Any],
    bias: NDArray[Any],
    kept: NDArray[Any],
    log_sizes: NDArray[Any],
    depth: float,
    slope: float,
    queries: NDArray[Any],
    middles: NDArray[Any],
    lists: NDArray[Any],
    near: NDArray[Any],
) -> int:
    """Choose the lists that each query reads; the largest number of lists of a query.

    scores [q, L] are the router's, without bias; queries [q, d] and middles [L, d] are in the coder's order of dims.
    Written: lists [q, L], then -1; near [q, L], the cosines to their middles, then the first again.  A list is read
    where its share of the answers, by softmax, per row exceeds e ** -depth; the most likely list is always read.

    kept [L] is the logarithm of the share of a list's answers that may be hits, which is below 0 under a filter.  Where
    only one answer in n may be a hit, the k-th hit is about answer k * n: depth rises by `slope` for each e times as
    many.
    """
    count = bias.shape[0]
    widest = 1
    for i in range(scores.shape[0]):
        best = 0
        for j in range(1, count):
            if scores[i, j] + bias[j] + kept[j] > scores[i, best] + bias[best] + kept[best]:
                best = j
        top = scores[i, best] + bias[best] + kept[best]
        total = np.float32(0)
        for j in range(count):
            total += np.exp(scores[i, j] + bias[j] + kept[j] - top)
        least = np.float32(top + np.log(total) - depth)
        if slope > 0:
            most = scores[i, 0] + bias[0]
            for j in range(1, count):
                most = max(most, scores[i, j] + bias[j])
            every = np.float32(0)
            for j in range(count):
                every += np.exp(scores[i, j] + bias[j] - most)
            least -= np.float32(slope) * max(most + np.log(every) - top - np.log(total), np.float32(0))
        used = 0
        for j in range(count):
            if scores[i, j] + bias[j] + kept[j] - log_sizes[j] > least or j == best:
                cosine = np.float32(0)
                for x in range(queries.shape[1]):
                    cosine += queries[i, x] * middles[j, x]
                lists[i, used] = j
                near[i, used] = cosine
                used += 1
        widest = max(widest, used)
        for j in range(used, count):
            lists[i, j] = NO_ROW
            # faiss rounds by the range of these: a query's range must not depend on the padding of its batch.
            near[i, j] = near[i, 0]
    return widest


@njit(cache=True, nogil=True)
def clear(ids: NDArray[Any], scores: NDArray[Any]) -> None:
    """Make all places empty."""
    for place in range(ids.shape[0]):
        ids[place] = NO_ROW
        scores[place] = -np.inf


@njit(cache=True, nogil=True)
def _insert(ids: NDArray[Any], scores: NDArray[Any], row: int, score: float) -> None:
    """Insert a row if it is among the best; descending order, of equal scores the lower id first."""
    at = len(ids) - 1
    if score < scores[at] or (score == scores[at] and (ids[at] != NO_ROW and row > ids[at])):
        return
    while at > 0 and (scores[at - 1] < score or (scores[at - 1] == score and ids[at - 1] > row)):
        scores[at] = scores[at - 1]
        ids[at] = ids[at - 1]
        at -= 1
    scores[at] = score
    ids[at] = row


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _cosine_16(rows: NDArray[Any], row: int, query: NDArray[Any], dim: int) -> Any:
    dot = np.float32(0)
    square = np.float32(0)
    for j in range(dim):
        value = half(rows[row, j])
        dot += value * query[j]
        square += value * value
    return dot / np.sqrt(max(square, np.float32(1e-30)))


@njit(cache=True, nogil=True)
def rank(
    queries: NDArray[Any],
    candidates: NDArray[Any],
    rows: NDArray[Any],
    scales: NDArray[Any],
    dim: int,
    ids: NDArray[Any],
    scores: NDArray[Any],
) -> None:
    """Write the best candidates [q or 1, c] by int8 rows [n, D] to ids and scores [q, k]; scores have no unit."""
    scaled = np.empty(queries.shape[1], np.int16)
    for i in range(queries.shape[0]):
        in_16_bits(queries[i], dim, scaled)
        own = candidates[i if candidates.shape[0] > 1 else 0]
        clear(ids[i], scores[i])
        rank_one(scaled, own, rows, scales, dim, ids[i], scores[i])


@njit(cache=True, nogil=True)
def in_16_bits(query: NDArray[Any], dim: int, scaled: NDArray[Any]) -> Any:
    """Write the query [D] as int16, of which the largest is QUERY_SCALE; returns the value of 1."""
    largest = np.float32(1e-30)
    for j in range(dim):
        largest = max(largest, abs(query[j]))
    for j in range(dim):
        scaled[j] = np.int16(np.rint(query[j] / largest * np.float32(QUERY_SCALE)))
    return largest / np.float32(QUERY_SCALE)


@njit(cache=True, nogil=True)
def rank_one(
    scaled: NDArray[Any],
    own: NDArray[Any],
    rows: NDArray[Any],
    scales: NDArray[Any],
    dim: int,
    ids: NDArray[Any],
    scores: NDArray[Any],
) -> None:
    """Insert the candidates [c] of one query, int16 [D], by int8 rows into ids and scores [k].

    The cosine is by a row's scale at full width, else by the length of its prefix.
    """
    start, step, query = rows.ctypes.data, rows.strides[0], scaled.ctypes.data
    prefix = np.empty(rows.shape[1], np.int16)
    for c in range(own.shape[0]):
        if c + AHEAD < own.shape[0] and own[c + AHEAD] != NO_ROW:
            for line in range(0, dim, LINE):
                fetch(start + own[c + AHEAD] * step + line)
        if own[c] != NO_ROW:
            row = start + own[c] * step
            score = np.float32(dot(row, query, dim))
            if dim == rows.shape[1]:
                score *= scales[own[c]]
            else:
                for j in range(dim):
                    prefix[j] = rows[own[c], j]
                score /= np.sqrt(np.float32(max(dot(row, prefix.ctypes.data, dim), 1)))
            _insert(ids, scores, own[c], score)


@njit(cache=True, nogil=True)
def exact(
    queries: NDArray[Any],
    candidates: NDArray[Any],
    rows: NDArray[Any],
    dim: int,
    first_id: int,
    ids: NDArray[Any],
    scores: NDArray[Any],
) -> None:
    """Write the best candidates [q or 1, c] by cosine at `dim` to float16 rows [n, D], which are passed as uint16.

    `first_id` is added to the candidates that are kept; ids and scores are [q, k].
    """
    for i in range(queries.shape[0]):
        own = candidates[i if candidates.shape[0] > 1 else 0]
        clear(ids[i], scores[i])
        exact_one(queries[i], own, rows, dim, first_id, ids[i], scores[i])


@njit(cache=True, nogil=True)
def exact_one(
    query: NDArray[Any],
    own: NDArray[Any],
    rows: NDArray[Any],
    dim: int,
    first_id: int,
    ids: NDArray[Any],
    scores: NDArray[Any],
) -> None:
    """Insert the candidates [c] of one query by float16 rows into ids and scores [k]."""
    start, step = rows.ctypes.data, rows.strides[0]
    for c in range(own.shape[0]):
        if c + AHEAD < own.shape[0] and own[c + AHEAD] != NO_ROW:
            for line in range(0, 2 * dim, LINE):
                fetch(start + own[c + AHEAD] * step + line)
        if own[c] != NO_ROW:
            _insert(ids, scores, own[c] + first_id, _cosine_16(rows, own[c], query, dim))
