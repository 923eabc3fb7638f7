"""How deep one search goes: a table of decisions, and a cost without jumps."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.ask.plan import Decision, Effort, decide
from index.contracts import Hits
from index.kept import Kept
from index.ladder import Curve, Point, Setting
from index.rungs.cost import Cost
from index.rungs.router import FIRST_SHARPNESS
from index.rungs.shelf import Shelf
from tests.index import shelves
from tests.index.shelves import WIDTH, clustered, coder_of, segment

N = 4_000
FEW, MANY = Setting(depth=5, shortlist=40, exact=20), Setting(depth=9, shortlist=100, exact=20)


def _point(setting: Setting, low: float, ms: float) -> Point:
    return Point(setting=setting, recall={"rows": low}, low=low, rows_read=0.02 * ms, ms_one=ms, ms_many=ms / 10)


CURVE = Curve(dim=WIDTH, k=10, queries={"rows": 100}, points=(_point(FEW, 0.95, 1.0), _point(MANY, 0.99, 2.0)))
LONG = CURVE.model_copy(
    update={
        "k": 100,
        "points": tuple(
            point.model_copy(update={"setting": point.setting.wider(4).deeper(2.0)}) for point in CURVE.points
        ),
    }
)


def _shelf(curves: list[Curve], measured: Any = None) -> Shelf:
    rows = clustered(N, 1)
    coder = coder_of(rows)
    router = np.hstack([FIRST_SHARPNESS * coder.middles(WIDTH), np.zeros((coder.lists, 1), np.float32)])
    made = Shelf("text", [segment(rows, coder)], curves, coder, router, measured=measured)
    made._pace = 1.0
    made.__dict__["cost"] = Cost(384, 128, coder.lists)  # of rows so wide that codes are worth reading
    return made


@pytest.fixture(scope="module")
def coded() -> Shelf:
    return _shelf([CURVE])


@pytest.fixture(scope="module")
def long() -> Shelf:
    return _shelf([CURVE, LONG])


def _decide(
    shelf: Shelf, k: int = 10, dim: int = WIDTH, kept: Any = None, many: bool = False, **asked: Any
) -> Decision:
    effort = Effort(asked.get("recall"), asked.get("budget_ms"), many)
    return decide(shelf, k, dim, effort, None if kept is None else [Kept(np.arange(N) < kept)])


@pytest.mark.parametrize(
    ("asked", "setting", "why"),
    [
        ({"recall": 0.9}, FEW, "recall 0.9: the depth measured to keep it (recall@10 of 0.9500 or more)"),
        ({"recall": 0.95}, FEW, "recall 0.95: the depth measured to keep it (recall@10 of 0.9500 or more)"),
        ({"recall": 0.97}, Setting(depth=7, shortlist=64, exact=20), "recall 0.97: the depth measured to keep it"),
        ({"recall": 0.999}, None, "every row: no measured point keeps recall@10 0.999"),
        ({"recall": 1.0}, None, "every row: recall 1 was asked for"),
        ({"recall": 0.9, "dim": 8}, None, "every row: nothing was measured at dim 8"),
        ({"recall": 0.9, "k": 1}, FEW, "recall 0.9: the depth measured"),
        ({"budget_ms": 1.5}, FEW, "within 1.5 ms: about 1 ms, recall@10 of 0.9500 or more"),
        ({"budget_ms": 1.5, "many": True}, MANY, "within 1.5 ms: about 0.2 ms, recall@10 of 0.9900 or more"),
        ({"budget_ms": 0.01}, FEW, "within 0.01 ms: about 1 ms, recall@10 of 0.9500 or more"),
        ({"recall": 0.9, "kept": 10}, None, "all 10 rows that the filter keeps"),
        ({"recall": 0.9, "kept": 0}, None, "no row may be a hit"),
        ({"recall": 0.9, "k": N}, None, "all 4,000 rows"),
    ],
    ids=str,
)
def test_decisions(asked: dict[str, Any], setting: Setting | None, why: str, coded: Shelf) -> None:
    made = _decide(coded, **asked)
    assert made.setting == setting
    assert made.why.startswith(why)
    assert (made.point is None) == (setting is None)
    assert not made.on_card


def test_between_two_numbers_of_hits_the_depth_is_between(long: Shelf) -> None:
    ten, some, hundred, more = (_decide(long, k=k, recall=0.95) for k in (10, 32, 100, 300))
    assert None not in (ten.setting, some.setting, hundred.setting, more.setting)
    assert [one.setting.depth for one in (ten, hundred) if one.setting] == [5, 7]
    assert some.setting
    assert some.setting.depth == pytest.approx(6, abs=0.02)
    assert some.setting.shortlist == pytest.approx(80, abs=2)
    assert more.setting
    assert more.setting.depth > 7.5
    assert more.setting.shortlist == 480
    assert "untested beyond 100 hits" in more.why
    assert "untested" not in hundred.why


def test_appended_rows_deepen_a_search_by_the_logarithm_of_the_rows(coded: Shelf) -> None:
    now = coded.segments[0].list_sizes()
    grown = _decide(_shelf([CURVE], measured=now // 2), recall=0.95)
    assert grown.setting
    assert grown.setting.depth == pytest.approx(5 + np.log(2), abs=0.02)
    assert grown.setting.shortlist > FEW.shortlist


def test_a_filter_on_one_side_goes_deeper_than_one_at_random() -> None:
    shelf = _shelf([CURVE.model_copy(update={"sided_depth": 2.0, "sided_shortlist": 3.0})])
    half = [Kept(np.arange(N) % 2 == 0)], [Kept(np.arange(N) < N // 2)]  # rows lie by list
    random, side = (decide(shelf, 10, WIDTH, Effort(0.95, None, False), kept) for kept in half)
    assert random.setting
    assert side.setting
    assert 5 <= random.setting.depth < 5.2
    assert side.setting.depth > 5.7
    assert side.setting.shortlist > 1.5 * random.setting.shortlist
    assert random.slope > 0


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.sampled_from([1, 10, 40]), recall=st.sampled_from([0.95, 0.98]))
def test_one_row_more_never_costs_half_as_much_again(seed: int, k: int, recall: float, long: Shelf) -> None:
    """Rows in any order, at random or list by list, kept one more each time."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(N) if seed % 2 else np.arange(N)
    first, costs = int(rng.integers(max(k, 30), N - 40)), []
    for count in range(first, first + 40):
        mask = np.zeros(N, bool)
        mask[order[:count]] = True
        made = decide(long, k, WIDTH, Effort(recall, None, False), [Kept(mask)])
        listing = long.listing([Kept(mask)])
        if made.setting is None:
            costs.append(long.cost.every(count))
        else:
            read = made.expected_rows
            costs.append(long.cost.scan(read, read / N * listing.lists, made.setting))
    assert max(more / less for less, more in pairwise(costs)) < 1.5


def test_without_codes_every_row_is_read() -> None:
    made = decide(shelves.shelf([segment(clustered(7, 1))]), 10, WIDTH, Effort(0.9, None, False))
    assert made == Decision(None, None, "every row: 7 rows, too few to be worth lists and codes")


class _Card:
    def search(self, queries: Any, k: int) -> Hits:
        raise AssertionError("nothing is searched while deciding")


@pytest.mark.parametrize(
    ("asked", "on_card"),
    [({}, True), ({"recall": 1.0}, True), ({"dim": 8}, False), ({"kept": N - 1}, False), ({"k": 1_000}, False)],
    ids=str,
)
def test_who_answers_where_there_is_a_card(asked: dict[str, Any], on_card: bool, coded: Shelf) -> None:
    coder = coded.coder
    assert coder is not None
    router = np.zeros((coder.lists, WIDTH + 1), np.float32)
    shelf = Shelf("text", coded.segments, [CURVE], coder, router, [_Card()])
    assert _decide(shelf, **({"recall": 0.9} | asked)).on_card is on_card
