import numpy as np
import pytest

from embed.errors import InputError
from evaluate.measures.bootstrap import difference, interval, ratio
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


def test_a_ratio_is_of_the_same_samples() -> None:
    """Twice as good on every query is 2 in every sample; where the others have nothing there is no ratio."""
    values = np.random.default_rng(0).random(50) + 0.1
    found = ratio(2 * values, values, draws=200)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2, 2))
    assert ratio(values, np.zeros(50)) is None
    with pytest.raises(InputError, match="same queries"):
        ratio(values, values[:3])


def test_samples_are_those_of_drawing_one_by_one() -> None:
    """The samples are kept and shared; a loop that draws query by query has the same interval."""
    values = np.random.default_rng(1).random(33)
    rng = np.random.default_rng(7)
    means = [values[rng.integers(33, size=33)].mean() for _ in range(500)]
    found = interval(values, 500, 7)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=1e-12)
