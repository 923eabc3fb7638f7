"""Bounds on a mean: right by hand where that is possible, and kept by chance as often as they say."""

from collections import Counter

import numpy as np
import pytest

from index.audit.bounds import lower_bound, mean, upper_bound


def test_nothing_is_known_of_nothing() -> None:
    assert lower_bound({}, 0.05) == pytest.approx(0)
    assert upper_bound({}, 0.05) == pytest.approx(1)


def test_bounds_close_in_on_the_mean() -> None:
    widths = []
    for n in (20, 200, 2_000, 20_000):
        shares = {1.0: n * 8 // 10, 0.5: n * 2 // 10}
        low, high = lower_bound(shares, 0.05), upper_bound(shares, 0.05)
        assert low < mean(shares) < high
        assert mean(shares) == pytest.approx(0.9)
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.02


def test_questions_that_all_found_everything() -> None:
    """The money grows by almost 1 / m a question: 20 times as much, divided over 12 bets, at m = 240 ** (-1 / n)."""
    assert upper_bound({1.0: 1_000}, 0.05) == pytest.approx(1)
    assert lower_bound({1.0: 100}, 0.05) == pytest.approx(240 ** (-1 / 100), abs=0.004)


def test_the_order_and_the_split_over_processes_do_not_matter() -> None:
    first, second = Counter({1.0: 50, 0.9: 9}), Counter({0.9: 3, 0.2: 1})
    swapped = {0.2: 1, 0.9: 12, 1.0: 50}
    assert lower_bound(first + second, 0.05) == pytest.approx(lower_bound(swapped, 0.05), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("promised", [0.95, 0.999])
def test_looking_again_and_again_alarms_seldom(promised: float) -> None:
    """An index that finds exactly what it promises, looked at after every 25 questions: of 60, 3 may alarm."""
    alarms, indexes = 0, 60
    for seed in range(indexes):
        rng, shares = np.random.default_rng(seed), Counter[float]()
        for _ in range(6):
            shares.update((1 - rng.binomial(10, 1 - promised, 25) / 10).round(1).tolist())
            if upper_bound(shares, 0.05) < promised:
                alarms += 1
                break
    assert alarms <= 3


def test_what_is_broken_is_seen_soon() -> None:
    """.8 found for .95: a hundred questions are enough."""
    for seed in range(20):
        found = np.random.default_rng(seed).binomial(10, 0.8, 100) / 10
        assert upper_bound(Counter(found.round(1).tolist()), 0.05) < 0.95
