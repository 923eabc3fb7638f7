"""How deep one search goes: a table of decisions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.ask.plan import MOST_KEPT, Decision, Effort, decide, filtered
from index.contracts import Hits
from index.ladder import Curve, Point, Setting
from index.rungs.shelf import Shelf
from tests.index import shelves
from tests.index.shelves import WIDTH, clustered, coder_of, segment

N = 400
FEW, MANY = Setting(depth=5, shortlist=40, exact=20), Setting(depth=9, shortlist=100, exact=20)


def _point(setting: Setting, low: float, ms: float) -> Point:
    return Point(setting=setting, recall={"rows": low}, low=low, rows_read=0.1, ms_one=ms, ms_many=ms / 10)


CURVE = Curve(dim=WIDTH, k=10, queries={"rows": 100}, points=(_point(FEW, 0.95, 1.0), _point(MANY, 0.99, 2.0)))


@pytest.fixture(scope="module")
def coded() -> Shelf:
    rows = clustered(N, 1)
    coder = coder_of(rows)
    return shelves.shelf([segment(rows, coder)], coder, [CURVE])


def _decide(
    shelf: Shelf, k: int = 10, dim: int = WIDTH, kept: int = N, many: bool = False, **wanted: float
) -> Decision:
    return decide(shelf, k, dim, Effort(wanted.get("recall"), wanted.get("budget_ms"), many), kept)


@pytest.mark.parametrize(
    ("asked", "setting", "why"),
    [
        ({"recall": 0.9}, FEW, "recall 0.9: the cheapest point measured to keep it (recall@10 of 0.9500 or more)"),
        ({"recall": 0.95}, FEW, "recall 0.95: the cheapest point measured to keep it (recall@10 of 0.9500 or more)"),
        ({"recall": 0.96}, MANY, "recall 0.96: the cheapest point measured to keep it (recall@10 of 0.9900 or more)"),
        ({"recall": 0.999}, None, "every row: no measured point keeps recall@10 0.999"),
        ({"recall": 1.0}, None, "every row: recall 1 was asked for"),
        ({"recall": 0.9, "dim": 8}, None, "every row: nothing was measured at dim 8"),
        ({"recall": 0.9, "k": 25}, FEW.wider(2.5), "recall 0.9: the cheapest point"),
        ({"recall": 0.9, "k": 1}, FEW, "recall 0.9: the cheapest point"),
        ({"budget_ms": 1.5}, FEW, "within 1.5 ms: measured 1 ms, recall@10 of 0.9500 or more"),
        ({"budget_ms": 1.5, "many": True}, MANY, "within 1.5 ms: measured 0.2 ms, recall@10 of 0.9900 or more"),
        ({"budget_ms": 0.01}, FEW, "within 0.01 ms: measured 1 ms, recall@10 of 0.9500 or more"),
        ({"budget_ms": 3, "k": 20}, FEW.wider(2), "within 3 ms: measured 1 ms, recall@10 of 0.9500 or more"),
        ({"recall": 0.9, "kept": 150}, None, "all 150 rows that the filter keeps"),
        ({"recall": 0.9, "kept": 320}, FEW.wider(1.25), "recall 0.9: the cheapest point"),
        ({"recall": 0.9, "kept": 0}, None, "no row may be a hit"),
        ({"recall": 0.9, "k": N}, None, "all 400 rows that the filter keeps"),
    ],
    ids=str,
)
def test_decisions(asked: dict[str, Any], setting: Setting | None, why: str, coded: Shelf) -> None:
    made = _decide(coded, **asked)
    assert made.setting == setting
    assert made.why.startswith(why)
    assert (made.point is None) == (setting is None)
    assert not made.on_card


def test_without_codes_every_row_is_read() -> None:
    made = _decide(shelves.shelf([segment(clustered(7, 1))]), kept=6, recall=0.9)
    assert made == Decision(None, None, "every row: 6 rows, too few to be worth lists and codes")


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


@pytest.mark.parametrize(
    ("kept", "total", "every", "widen"),
    [
        (0, 100_000, True, 1),
        (20_000, 100_000, True, 1),
        (20_001, 100_000, False, 100_000 / 20_001),
        (15_000, 15_000, False, 1),
        (7_501, 15_000, False, 15_000 / 7_501),
        (7_500, 15_000, True, 1),
        (100_000, 5_000_000, True, 1),
        (100_001, 5_000_000, False, 10),
        (200_000, 100_000_000, True, 1),
        (200_001, 100_000_000, False, 10),
        (50_000, 100_000, False, 2),
        (10, 10, True, 1),
        (11, 11, False, 1),
    ],
)
def test_filtered(kept: int, total: int, every: bool, widen: float) -> None:
    read = filtered(kept, total, 10)
    assert read.every == every
    assert read.widen == pytest.approx(widen)


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.integers(1, 1_000))
def test_few_rows_are_read_whole_and_the_rest_widened_within_bounds(kept: int, total: int, k: int) -> None:
    read = filtered(min(kept, total), total, k)
    assert not read.every or min(kept, total) <= MOST_KEPT
    assert 1 <= read.widen <= 10
