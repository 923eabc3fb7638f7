"""Bootstrap intervals over queries: 95 % percentiles of a mean, of a paired difference, and of a ratio of means."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from embed.errors import InputError
from evaluate.results import Interval

Values = NDArray[np.float64]

LOW, HIGH = 2.5, 97.5  # percentiles of the resampled means
_KEPT = 20_000_000  # entries of the drawn samples, which all intervals of a task share: bounds memory


def interval(values: Values, draws: int = 2000, seed: int = 0) -> Interval:
    """Mean of `values` [q], one per query, with its interval over `draws` samples of queries with replacement.

    The same values, draws and seed give the same interval.  It has no meaning where all values are equal:
    five queries out of five found give [1, 1].  Raises InputError without values, or with NaN among them.
    """
    if values.ndim != 1 or len(values) == 0:
        raise InputError(f"an interval requires one value per query, the shape is {values.shape}; score some queries")
    if not np.isfinite(values).all():
        raise InputError("an interval requires finite values; a query's score is NaN or infinite: check its vector")
    low, high = np.percentile(_resampled(values, draws, seed), [LOW, HIGH])
    return Interval(float(values.mean()), float(low), float(high))


def difference(ours: Values, theirs: Values, draws: int = 2000, seed: int = 0) -> Interval:
    """Mean of ours - theirs [q] on the same queries in the same order; an interval above 0 means ours is better.

    Pairing removes the difficulty of each query, so it detects smaller differences than two separate intervals.
    """
    if ours.shape != theirs.shape:
        raise InputError(
            f"a paired difference requires the same queries on both sides; the shapes are {ours.shape}, {theirs.shape}"
        )
    return interval(ours - theirs, draws, seed)


def ratio(ours: Values, theirs: Values, draws: int = 2000, seed: int = 0) -> Interval | None:
    """Mean of ours / mean of theirs [q], over the same samples of queries; None where a mean of theirs is 0."""
    if ours.shape != theirs.shape:
        raise InputError(
            f"a ratio requires the same queries on both sides; the shapes are {ours.shape}, {theirs.shape}"
        )
    below = _resampled(theirs, draws, seed)
    if not theirs.mean() or not below.all():
        return None
    low, high = np.percentile(_resampled(ours, draws, seed) / below, [LOW, HIGH])
    return Interval(float(ours.mean() / theirs.mean()), float(low), float(high))


def _resampled(values: Values, draws: int, seed: int) -> Values:
    """The mean [draws] of each sample of `values` [q]."""
    count = len(values)
    drawn = _counts(count, draws, seed) if count * draws <= _KEPT else _drawn(count, draws, seed)
    return np.concatenate([counts @ values for counts in drawn]) / count


@lru_cache(maxsize=2)
def _counts(count: int, draws: int, seed: int) -> tuple[Values, ...]:
    return tuple(_drawn(count, draws, seed))


def _drawn(count: int, draws: int, seed: int, block: int = 100) -> Iterator[Values]:
    """How often each of `count` queries is in each sample, [block, count] at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        picked = rng.integers(count, size=(rows, count)) + np.arange(rows)[:, None] * count
        yield np.bincount(picked.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)
