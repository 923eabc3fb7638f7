"""Significance of differences between systems: paired randomisation tests, corrected for many comparisons by Holm.

Two systems are exchangeable under the null hypothesis, query by query: the sign of each query's difference is drawn at
random (Fisher 1935; Smucker, Allan and Carterette, CIKM 2007).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from embed.errors import InputError

Values = NDArray[np.float64]

DRAWS = 10_000
_BLOCK = 500  # draws at once: bounds memory
_EQUAL = 1e-12  # of the mean: sums in another order


def randomisation_p(differences: Values, draws: int = DRAWS, seed: int = 0) -> Values:
    """Two-sided p [s] of the mean of each row of paired differences [s, q]; at least 1 / (draws + 1).

    All rows share the drawn signs.  The same input, draws and seed give the same values.
    """
    if differences.ndim != 2 or 0 in differences.shape or not np.isfinite(differences).all():
        raise InputError(f"a test requires finite differences, one per query; the shape is {differences.shape}")
    num_queries = differences.shape[1]
    rng = np.random.default_rng(seed)
    observed = np.abs(differences.mean(axis=1))
    as_far = np.zeros(len(differences), np.int64)
    for start in range(0, draws, _BLOCK):
        signs = rng.integers(2, size=(num_queries, min(_BLOCK, draws - start))) * 2.0 - 1
        as_far += (np.abs(differences @ signs / num_queries) >= observed[:, None] - _EQUAL).sum(axis=1)
    return (as_far + 1) / (draws + 1)


def holm(p: Sequence[float] | Values) -> Values:
    """Adjusted p values [n]: rejecting those up to α makes any false rejection at most α likely (Holm 1979)."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def pairwise_p(values: Mapping[str, Values], draws: int = DRAWS, seed: int = 0) -> dict[tuple[str, str], float]:
    """Adjusted p of every pair of systems, whose values [q] are of the same queries in the same order."""
    pairs = list(combinations(values, 2))
    if not pairs:
        return {}
    differences = np.stack([values[one] - values[other] for one, other in pairs])
    return dict(zip(pairs, holm(randomisation_p(differences, draws, seed)).tolist(), strict=True))


def letters(values: Mapping[str, Values], p: Mapping[tuple[str, str], float], alpha: float = 0.05) -> dict[str, str]:
    """For each system the letters of those that it significantly exceeds; the first system is a, the second b ..."""
    names = {name: chr(ord("a") + place) if place < 26 else f"[{place + 1}]" for place, name in enumerate(values)}
    found = dict.fromkeys(values, "")
    for (one, other), value in p.items():
        if value <= alpha:
            better, worse = (one, other) if values[one].mean() > values[other].mean() else (other, one)
            found[better] += names[worse]
    return {name: "".join(sorted(of)) for name, of in found.items()}
