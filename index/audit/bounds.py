"""Bounds on a mean of numbers between 0 and 1, such as the recall of questions, by betting.

A question's recall is a share, and its hits are not independent of each other, so the intervals of Wilson or of
Clopper and Pearson, which are of independent trials, would be too narrow for hits and do not exist for shares.  These
bounds assume only that the questions are a random sample.  They hold at any time, however often somebody looks and
stops when it pleases: with 95 % certainty no look ever shows a bound beyond the true mean.

Someone who bets a share of their money on each question that the mean is below m gains nothing on average if it is not.
Where the money grew to 20 times as much, the mean is below m with 95 % certainty (Ville 1939; Waudby-Smith and Ramdas,
"Estimating means of bounded random variables by betting", 2024).  The money is divided over fixed bets, so the order of
the questions does not matter, and counts of several processes can be added.
"""

import math
from collections.abc import Mapping

import numpy as np

# Shares of the most that can be bet.  Small ones find small differences among many questions.
BETS = np.array([0.97, *(0.5**power for power in range(1, 12))])
STEPS = 40  # of halving: bounds to 1e-12

Shares = Mapping[float, int]  # recall of a question: number of questions with it


def mean(shares: Shares) -> float:
    """Mean of the shares.  Only where there are some."""
    return sum(value * count for value, count in shares.items()) / sum(shares.values())


def upper_bound(shares: Shares, error: float) -> float:
    """The mean is at most this, but for a chance of `error`; 1 where nothing is known."""
    return 1 - lower_bound({1 - value: count for value, count in shares.items()}, error)


def lower_bound(shares: Shares, error: float) -> float:
    """The mean is at least this, but for a chance of `error`; 0 where nothing is known."""
    values, counts = np.array(list(shares), float), np.array(list(shares.values()), float)
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        refuted = _log_money(values, counts, middle) >= -math.log(error)
        low, high = (middle, high) if refuted else (low, middle)
    return low


def _log_money(values: np.ndarray, counts: np.ndarray, limit: float) -> float:
    """Logarithm of the money after betting that the mean is above `limit`; it falls as the limit rises."""
    logs = np.log1p(BETS[:, None] * (values / limit - 1)) @ counts
    most = float(logs.max())
    return most + math.log(float(np.exp(logs - most).mean()))
