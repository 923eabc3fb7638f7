"""Which point keeps a promise: look-ups in curves, seen by eye and for any curve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.ladder import Curve, Point, Setting, between, plain, point_for, slope


def _point(low: float, ms_one: float, ms_many: float = 0.1) -> Point:
    setting = Setting(depth=10 * low, shortlist=100, exact=20)
    return Point(setting=setting, recall={"rows": low}, low=low, rows_read=0.1, ms_one=ms_one, ms_many=ms_many)


def _curve(*points: Point) -> Curve:
    return Curve(dim=384, k=10, queries={"rows": 500}, points=points)


FAST, GOOD, BEST = _point(0.95, 1.0, 0.3), _point(0.99, 2.0, 0.2), _point(0.999, 4.0, 1.0)
THREE = _curve(FAST, GOOD, BEST)
POINTS = st.builds(_point, st.floats(0, 1), st.floats(0.001, 100), st.floats(0.001, 100))


@pytest.mark.parametrize(
    ("recall", "point"), [(0.5, FAST), (0.95, FAST), (0.99, GOOD), (0.999, BEST), (0.9991, None), (1.0, None)]
)
def test_the_cheapest_that_keeps_the_promise(recall: float, point: Point | None) -> None:
    assert THREE.for_recall(recall) == point


@pytest.mark.parametrize("recall", [0.96, 0.97, 0.9899, 0.995])
def test_between_two_points_no_more_is_read_than_the_recall_requires(recall: float) -> None:
    found = THREE.for_recall(recall)
    assert found is not None
    assert found.low == pytest.approx(recall)
    assert found.setting.depth == pytest.approx(10 * recall, abs=1e-3)


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


@given(st.floats(0.9, 0.999), st.floats(0.9, 0.999), st.integers(1, 400), st.integers(1, 400))
def test_more_recall_or_more_hits_never_read_less(one: float, other: float, few: int, many: int) -> None:
    longer = [_point(point.low, 4 * point.ms_one) for point in THREE.points]
    deeper = [p.model_copy(update={"setting": p.setting.wider(9).deeper(1.5)}) for p in longer]
    curves = [THREE, _curve(*deeper).model_copy(update={"k": 100})]
    less, more = (
        point_for(curves, k, recall) for k, recall in zip(sorted([few, many]), sorted([one, other]), strict=True)
    )
    assert less is not None
    assert more is not None
    assert less.setting.depth <= more.setting.depth + 1e-3
    assert less.setting.shortlist <= more.setting.shortlist


def test_an_index_of_one_curve_reads_deeper_for_more_hits() -> None:
    ten, hundred = (point_for([THREE], k, 0.99) for k in (10, 100))
    assert ten == GOOD
    assert hundred is not None
    assert (hundred.setting.shortlist, hundred.setting.exact) == (1_000, 200)
    assert hundred.setting.depth > GOOD.setting.depth + 1.5
    assert slope([THREE], 0.99) > 0


def test_halfway_is_between() -> None:
    other = GOOD.model_copy(update={"setting": Setting(depth=12.9, shortlist=400, exact=80)})
    assert between(GOOD, other, 0.5).setting == Setting(depth=11.4, shortlist=200, exact=40)
    assert between(GOOD, other, 0.0) == GOOD
    assert between(GOOD, other, 1.0).setting == other.setting


@pytest.mark.slow
@given(st.lists(POINTS, min_size=1, max_size=30), st.floats(0.001, 100), st.booleans())
def test_a_budget_is_kept_by_nothing_better(points: list[Point], budget_ms: float, many: bool) -> None:
    curve = _curve(*sorted(points, key=lambda point: point.low))
    found = curve.for_budget(budget_ms, many)
    fitting = [p for p in curve.points if (p.ms_many if many else p.ms_one) <= budget_ms]
    assert found == (fitting[-1] if fitting else curve.points[0])


def test_wider_and_deeper() -> None:
    setting = Setting(depth=9.0, shortlist=100, exact=20)
    assert setting.wider(2.5) == Setting(depth=9.0, shortlist=250, exact=50)
    assert setting.deeper(1.5, 1.1) == Setting(depth=10.5, shortlist=111, exact=20)


def test_as_json_and_back() -> None:
    (values,) = plain([THREE])
    assert Curve.model_validate(values) == THREE
