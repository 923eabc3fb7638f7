import numpy as np
import pytest

from evaluate.intents.f1 import f1, intervals

TRUE = np.asarray([0, 0, 0, 1, 1, 2])
GUESS = np.asarray([0, 0, 1, 1, 1, 0])


def test_f1_by_hand() -> None:
    """Class 0: 2 right of 3 guessed and 3 true; class 1: 2 of 3 and 2; class 2: none."""
    each = [2 * 2 / 6, 2 * 2 / 5, 0.0]
    expected = [np.mean(each), (3 * each[0] + 2 * each[1]) / 6]
    assert f1(TRUE, GUESS, 3)[0] == pytest.approx(expected)
    assert f1(TRUE, GUESS, 7)[0] == pytest.approx(expected)  # classes that the test lacks do not count
    assert f1(TRUE, TRUE, 3)[0].tolist() == [1.0, 1.0]


def test_weights_count_a_request_several_times() -> None:
    weights = np.asarray([[2.0, 1, 1, 1, 1, 0], [1.0, 1, 1, 1, 1, 1]])
    found = f1(TRUE, GUESS, 3, weights)
    doubled = f1(np.asarray([0, 0, 0, 0, 1, 1]), np.asarray([0, 0, 0, 1, 1, 1]), 3)[0]
    assert found[0] == pytest.approx(doubled)
    assert found[1] == pytest.approx(f1(TRUE, GUESS, 3)[0])


def test_intervals_span_draws_and_templates_and_are_the_same_again() -> None:
    groups = np.asarray([0, 0, 1, 2, 3, 4])
    macro, weighted = intervals(TRUE, [GUESS, TRUE], 3, groups, 0)
    assert macro.mean == pytest.approx(np.mean([f1(TRUE, one, 3)[0, 0] for one in (GUESS, TRUE)]))
    assert macro.low < f1(TRUE, GUESS, 3)[0, 0] < macro.high == 1.0
    assert intervals(TRUE, [GUESS, TRUE], 3, groups, 0) == (macro, weighted)
    perfect, _ = intervals(TRUE, [TRUE], 3, groups, 0)
    assert (perfect.mean, perfect.low, perfect.high) == (1.0, 1.0, 1.0)
