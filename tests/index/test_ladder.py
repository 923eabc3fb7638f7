"""Which point keeps a promise: look-ups in curves, seen by eye and for any curve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.ladder import Curve, Point, Setting, pareto, plain


def _point(low: float, ms_one: float, ms_many: float = 0.1) -> Point:
    setting = Setting(depth=low, shortlist=100, exact=20)
    return Point(setting=setting, recall={"rows": low}, low=low, rows_read=0.1, ms_one=ms_one, ms_many=ms_many)


def _curve(*points: Point) -> Curve:
    return Curve(dim=384, k=10, queries={"rows": 500}, points=points)


FAST, GOOD, BEST = _point(0.95, 1.0, 0.3), _point(0.99, 2.0, 0.2), _point(0.999, 4.0, 1.0)
THREE = _curve(FAST, GOOD, BEST)
POINTS = st.builds(_point, st.floats(0, 1), st.floats(0.001, 100), st.floats(0.001, 100))


@pytest.mark.parametrize(
    ("recall", "point"),
    [(0.5, FAST), (0.95, FAST), (0.951, GOOD), (0.99, GOOD), (0.999, BEST), (0.9991, None), (1.0, None)],
)
def test_the_cheapest_that_keeps_the_promise(recall: float, point: Point | None) -> None:
    assert THREE.for_recall(recall) == point


@pytest.mark.parametrize(
    ("budget_ms", "many", "point"),
    [
        (0.5, False, FAST),
        (1.0, False, FAST),
        (3.9, False, GOOD),
        (4.0, False, BEST),
        (0.1, True, FAST),
        (0.2, True, GOOD),
        (9.0, True, BEST),
    ],
)
def test_the_best_within_a_budget_else_the_cheapest(budget_ms: float, many: bool, point: Point) -> None:
    assert THREE.for_budget(budget_ms, many) == point


def test_what_a_cheaper_point_matches_is_left_out() -> None:
    worse, equal = _point(0.94, 1.5), _point(0.99, 2.5)
    assert pareto([BEST, equal, worse, GOOD, FAST]) == (FAST, GOOD, BEST)


def test_of_equal_cost_the_better() -> None:
    assert pareto([_point(0.9, 1.0), _point(0.95, 1.0)]) == (_point(0.95, 1.0),)


@given(st.lists(POINTS, max_size=30))
def test_a_curve_rises_in_cost_and_gain_and_nothing_beats_it(points: list[Point]) -> None:
    kept = pareto(points)
    costs, lows = [p.ms_one + p.ms_many for p in kept], [p.low for p in kept]
    assert costs == sorted(costs)
    assert lows == sorted(set(lows))
    for point in points:
        assert any(p.ms_one + p.ms_many <= point.ms_one + point.ms_many and p.low >= point.low for p in kept)
    assert pareto(kept) == kept
    assert [p.low for p in pareto(points[::-1])] == lows  # of equals either may stay


@given(st.lists(POINTS, min_size=1, max_size=30), st.floats(0, 1))
def test_a_promise_is_kept_by_nothing_cheaper(points: list[Point], recall: float) -> None:
    curve = _curve(*pareto(points))
    found = curve.for_recall(recall)
    keeping = [p for p in points if p.low >= recall]
    assert (found is None) == (not keeping)
    if found is not None:
        assert found.low >= recall
        assert found.ms_one + found.ms_many <= min(p.ms_one + p.ms_many for p in keeping)


@given(st.lists(POINTS, min_size=1, max_size=30), st.floats(0.001, 100), st.booleans())
def test_a_budget_is_kept_by_nothing_better(points: list[Point], budget_ms: float, many: bool) -> None:
    curve = _curve(*pareto(points))
    found = curve.for_budget(budget_ms, many)
    fitting = [p for p in curve.points if (p.ms_many if many else p.ms_one) <= budget_ms]
    assert found == (max(fitting, key=lambda p: p.low) if fitting else curve.points[0])


def test_wider_for_more_hits() -> None:
    setting = Setting(depth=9.0, shortlist=100, exact=20)
    assert setting.wider(2.5) == Setting(depth=9.0, shortlist=250, exact=50)
    assert setting.wider(1.0) == setting


def test_as_json_and_back() -> None:
    (values,) = plain([THREE])
    assert Curve.model_validate(values) == THREE
