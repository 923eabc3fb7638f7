"""Cost by counts: more of anything costs more, and the figures are those of the comments."""

import pytest

from index.ladder import Setting
from index.rungs.cost import Cost

COST = Cost(width=384, subspaces=128, lists=256)


def test_every_row_is_the_time_that_was_measured() -> None:
    assert COST.every(17_500) / 1e6 == pytest.approx(2.3, rel=0.02)  # ms


@pytest.mark.parametrize(
    ("rows", "lists", "shortlist"),
    [(20_000, 50, 100), (10_000, 60, 100), (10_000, 50, 120)],
    ids=["rows", "lists", "more"],
)
def test_more_costs_more(rows: int, lists: int, shortlist: int) -> None:
    least = COST.scan(10_000, 50, Setting(depth=9, shortlist=100, exact=20))
    assert COST.scan(rows, lists, Setting(depth=9, shortlist=shortlist, exact=20)) > least
