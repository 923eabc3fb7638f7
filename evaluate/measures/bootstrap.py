"""Bootstrap intervals of a mean over queries: 95 % percentiles, plain and paired."""

import numpy as np
from numpy.typing import NDArray

from embed.errors import InputError
from evaluate.results import Interval

Values = NDArray[np.float64]

LOW, HIGH = 2.5, 97.5  # percentiles of the resampled means


def interval(values: Values, draws: int = 2000, seed: int = 0) -> Interval:
    """Mean of `values` [q], one per query, with its interval over `draws` samples of queries with replacement.

    The same values, draws and seed give the same interval.  It has no meaning where all values are equal:
    five queries out of five found give [1, 1].  Raises InputError without values, or with NaN among them.
    """
    if values.ndim != 1 or len(values) == 0:
        raise InputError(f"an interval requires one value per query, the shape is {values.shape}; score some queries")
    if not np.isfinite(values).all():
        raise InputError("an interval requires finite values; a query's score is NaN or infinite: check its vector")
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(draws)]
    low, high = np.percentile(means, [LOW, HIGH])
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
