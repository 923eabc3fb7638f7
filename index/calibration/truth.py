"""The true nearest rows of many queries, by one pass over all rows; recall is measured against them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray, truncate
from index.contracts import NO_ID, Hits, IntArray
from index.faiss_library import library
from index.neighbours import join, top, unit_rows

CHUNK = 32_768  # rows as float32 at once: 50 MB at width 384
SAME_SCORE = 1e-5  # equal rows are equal answers
ONE_SIDED_95 = 1.645
HITS = 10


def true_nearest(queries: FloatArray, rows: NDArray[Any], k: int, dim: int, own: IntArray) -> Hits:
    """The k nearest of rows [n, D] to queries [q, D] at `dim`, without the positions `own` [q]; -1 excludes none."""
    faiss = library()
    unit = np.ascontiguousarray(truncate(queries, dim))
    best = top(np.empty((len(unit), 0), np.int64), np.empty((len(unit), 0), np.float32), k)
    for first in range(0, len(rows), CHUNK):
        some = np.ascontiguousarray(unit_rows(rows[first : first + CHUNK], dim))
        scores, ids = faiss.knn(unit, some, min(k + 1, len(some)), metric=faiss.METRIC_INNER_PRODUCT)
        ids = np.where(ids == NO_ID, NO_ID, ids + first)
        best = join([best, Hits(np.where(ids == own[:, None], NO_ID, ids), scores)], k)
    return best


def recalls(found: Hits, true: Hits, own: IntArray) -> FloatArray:
    """For each query the share of its true hits that were found: [q].

    A row with the score of the last true hit counts as a true hit; a query without any true hit counts as 1.
    """
    k = true.ids.shape[1]
    num_true = np.isfinite(true.scores).sum(axis=1)
    last = np.where(np.isfinite(true.scores), true.scores, np.inf).min(axis=1, keepdims=True)
    allowed = (found.ids != own[:, None]) & (found.ids != NO_ID)
    right = np.minimum((allowed & (found.scores >= last - SAME_SCORE)).sum(axis=1), np.minimum(num_true, k))
    return np.where(num_true > 0, right / np.maximum(num_true, 1), 1.0).astype(np.float32)


def lower_bound(values: FloatArray) -> float:
    """The value that the mean of as many other questions of this kind reaches with 95 % certainty.

    Both means vary, the measured one and the promised one, hence the root of 2; with only the measured one, one promise
    in eight would be broken.  Where every value is 1, nothing was lost in n trials: then the rule of three applies, for
    one part in a question's hits.
    """
    n = len(values)
    spread = max(float(values.std(ddof=1)) if n > 1 else 1.0, np.sqrt(3.0 / n) / HITS)
    return float(values.mean() - ONE_SIDED_95 * spread * np.sqrt(2 / n))
