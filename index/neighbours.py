"""Exact nearest rows by cosine in plain numpy, and the rules for lists of hits that every stage shares.

Letters in shapes: q queries, n rows, c candidates, k hits, D full width.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray, truncate
from index.contracts import NO_ID, Hits, IntArray

# 16 Ki rows x 1024 float32 is 64 MB: large enough for the matrix product, small next to the rows themselves.
CHUNK = 16_384

# Given queries' scores [q, n'] of the rows first..first+n', lowers those that may not be hits to -inf, in place.
HideRows = Callable[[FloatArray, int], None]


def top(ids: IntArray, scores: FloatArray, k: int) -> Hits:
    """The k best of each row, equal scores by ascending id; shorter rows are filled with -1 / -inf.

    Both are [q, c]; an id of -1 or a score of -inf is an empty place.
    """
    scores = np.where(ids == NO_ID, -np.inf, scores).astype(np.float32, copy=False)
    ids = np.where(np.isneginf(scores), NO_ID, ids)
    order = np.lexsort((ids, -scores), axis=-1)[:, :k]
    best = Hits(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))
    return _padded(best, k)


def join(parts: list[Hits], k: int) -> Hits:
    """The k best over several lists for the same queries."""
    return top(np.hstack([part.ids for part in parts]), np.hstack([part.scores for part in parts]), k)


def scan(queries: FloatArray, rows: NDArray[Any], k: int, dim: int, hide: HideRows | None = None) -> Hits:
    """The k best rows for each query at width `dim`, by reading every row; ids are positions in `rows`.

    queries [q, D] and rows [n, D] of any float type are cut and renormalised here.
    """
    unit = truncate(queries, dim)
    best = top(np.empty((len(unit), 0), np.int64), np.empty((len(unit), 0), np.float32), k)
    for first in range(0, len(rows), CHUNK):
        scores = unit @ unit_rows(rows[first : first + CHUNK], dim).T
        if hide is not None:
            hide(scores, first)
        best = join([best, _best_columns(scores, first, k)], k)
    return best


def unit_rows(rows: NDArray[Any], dim: int) -> FloatArray:
    """float32 unit vectors of the first `dim` values; half precision rounds a unit row's length, so it is set again."""
    return truncate(np.asarray(rows[..., :dim], dtype=np.float32), dim)


def spread(n: int, count: int, shift: float = 0.5) -> IntArray:
    """Up to `count` distinct positions below n at even steps; the first is `shift` of a step from 0."""
    count = min(n, count)
    return ((np.arange(count) + shift) * n / max(1, count)).astype(np.int64)


def _best_columns(scores: FloatArray, first: int, k: int) -> Hits:
    """The k best columns; ties at the cut may fall either way, all others by ascending id."""
    q, n = scores.shape
    if k < n:
        columns = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        return top(columns + first, np.take_along_axis(scores, columns, axis=1), k)
    return top(np.tile(np.arange(first, first + n), (q, 1)), scores, k)


def _padded(hits: Hits, k: int) -> Hits:
    missing = k - hits.ids.shape[1]
    if missing <= 0:
        return hits
    places = ((0, 0), (0, missing))
    ids = np.pad(hits.ids, places, constant_values=NO_ID)
    scores = np.pad(hits.scores, places, constant_values=-np.inf)
    return Hits(ids, scores)
