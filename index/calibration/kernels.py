"""Kernels of blending: loops by which the hits of speech and of text get comparable scores and are merged.

Compiled by numba on first use, as `index.rungs.kernels`.  Letters in shapes: q queries, n rows of a background, c hits
of both modalities, k places, D full width.
"""

# numba's decorators are not typed
# mypy: disallow-untyped-decorators=False

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

NO_ROW = -1


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _moments(query: NDArray[Any], sample: NDArray[Any]) -> Any:
    """Mean and standard deviation of the products of a query [D] and the sample [n, dim], dim <= D."""
    count = sample.shape[0]
    products = np.empty(count, np.float32)
    mean = np.float32(0)
    for j in range(count):
        total = np.float32(0)
        for x in range(sample.shape[1]):
            total += query[x] * sample[j, x]
        products[j] = total
        mean += total
    mean /= np.float32(count)
    square = np.float32(0)
    for j in range(count):
        square += (products[j] - mean) * (products[j] - mean)
    return mean, np.sqrt(square / np.float32(count))


@njit(cache=True, nogil=True)
def calibrate(
    queries: NDArray[Any],
    sample: NDArray[Any],
    smallest: float,
    usual_mean: float,
    usual_deviation: float,
    scores: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Write to `out` [q, k] the scores as z-scores, of the background and of the usual best: `index.calibration.blend`.

    queries [q, D], sample [n, dim]; `smallest` is the least deviation of a background.
    """
    for i in range(queries.shape[0]):
        mean, deviation = _moments(queries[i], sample)
        deviation = max(deviation, np.float32(smallest))
        for j in range(scores.shape[1]):
            out[i, j] = ((scores[i, j] - mean) / deviation - usual_mean) / usual_deviation


@njit(cache=True, nogil=True)
def merge(ids: NDArray[Any], scores: NDArray[Any], best: NDArray[Any], best_scores: NDArray[Any]) -> None:
    """Write the best of the hits [q, c] to best and best_scores [q, k]: equal scores by ascending id, then -1, -inf."""
    best[:] = NO_ROW
    best_scores[:] = -np.inf
    last = best.shape[1] - 1
    for i in range(ids.shape[0]):
        for c in range(ids.shape[1]):
            row, score = ids[i, c], scores[i, c]
            if row == NO_ROW or score == -np.inf:
                continue
            at = last
            if score < best_scores[i, at] or (score == best_scores[i, at] and best[i, at] < row):
                continue
            while at > 0 and (
                best_scores[i, at - 1] < score or (best_scores[i, at - 1] == score and best[i, at - 1] > row)
            ):
                best_scores[i, at] = best_scores[i, at - 1]
                best[i, at] = best[i, at - 1]
                at -= 1
            best_scores[i, at] = score
            best[i, at] = row
