"""F1 over classes, macro and weighted by class size, with intervals over draws of examples and over test templates."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluate.intents.classify import Labels
from evaluate.measures.bootstrap import HIGH, LOW
from evaluate.results import Interval

Weights = NDArray[np.float64]
RESAMPLES = 1000  # over all draws together


def f1(true_t: Labels, predicted_t: Labels, classes: int, weights_rt: Weights | None = None) -> NDArray[np.float64]:
    """Macro and weighted F1 [r, 2] of r weightings of the test; a class that the test lacks does not count.

    A class that is neither predicted nor right has F1 0, as in scikit-learn.
    """
    weights = np.ones((1, len(true_t))) if weights_rt is None else weights_rt
    truth, guess = (np.eye(classes)[one] for one in (true_t, predicted_t))
    size, guessed, right = weights @ truth, weights @ guess, weights @ (truth * guess)
    each = 2 * right / np.maximum(size + guessed, 1e-12)
    present = size > 0
    macro = (each * present).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return np.stack([macro, (each * size).sum(axis=1) / np.maximum(size.sum(axis=1), 1e-12)], axis=1)


def intervals(
    true_t: Labels, drawn: Sequence[Labels], classes: int, groups_t: Labels, seed: int
) -> tuple[Interval, Interval]:
    """Macro and weighted F1: the mean over draws, and 95 % of values of a draw on resampled templates of each class."""
    plain = np.concatenate([f1(true_t, one, classes) for one in drawn]).mean(axis=0)
    rng = np.random.default_rng(seed)
    each = max(1, RESAMPLES // len(drawn))
    values = np.concatenate([f1(true_t, one, classes, _resampled(true_t, groups_t, each, rng)) for one in drawn])
    low, high = np.percentile(values, [LOW, HIGH], axis=0)
    macro, weighted = (Interval(float(plain[i]), float(low[i]), float(high[i])) for i in (0, 1))
    return macro, weighted


def _resampled(true_t: Labels, groups_t: Labels, draws: int, rng: np.random.Generator) -> Weights:
    """Weights [draws, t]: how often the template of each request is drawn, within its class, with replacement."""
    times = np.zeros((draws, int(groups_t.max()) + 1))
    for one in np.unique(true_t):
        own = np.unique(groups_t[true_t == one])
        picked = own[rng.integers(len(own), size=(draws, len(own)))]
        np.add.at(times, (np.arange(draws)[:, None], picked), 1.0)
    return times[:, groups_t]
