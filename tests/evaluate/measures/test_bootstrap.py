import numpy as np
import pytest

from embed.errors import InputError
from evaluate.measures.bootstrap import difference, interval
from evaluate.results import Interval


def test_equal_values_leave_no_doubt() -> None:
    assert interval(np.full(20, 0.5)) == Interval(0.5, 0.5, 0.5)


def test_coin_agrees_with_the_normal_approximation() -> None:
    """400 tosses, half heads: 0.5 +- 1.96 * 0.5 / 20 = 0.5 +- 0.049."""
    found = interval(np.tile([0.0, 1.0], 200))
    assert found.mean == 0.5
    assert found.low == pytest.approx(0.451, abs=0.005)
    assert found.high == pytest.approx(0.549, abs=0.005)


def test_same_seed_same_interval() -> None:
    values = np.linspace(0, 1, 30)
    assert interval(values, seed=3) == interval(values, seed=3)
    assert interval(values, seed=3) != interval(values, seed=4)


@pytest.mark.slow
def test_covers_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    found = [interval(rng.random(50), draws=400, seed=seed) for seed in range(200)]
    assert 180 <= sum(one.low <= 0.5 <= one.high for one in found) <= 198


def test_pairing_sees_what_separate_intervals_cannot() -> None:
    """Queries differ widely; ours is better by a tenth on each of them."""
    theirs = np.linspace(0, 0.9, 10)
    assert interval(theirs + 0.1).low < interval(theirs).high
    found = difference(theirs + 0.1, theirs)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_refuses_what_has_no_mean() -> None:
    with pytest.raises(InputError, match="score some queries"):
        interval(np.array([]))
    with pytest.raises(InputError, match="NaN"):
        interval(np.array([0.5, np.nan]))
    with pytest.raises(InputError, match="same queries"):
        difference(np.zeros(3), np.zeros(4))
