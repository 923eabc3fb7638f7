import pytest

from evaluate.cost.prices import pareto, price_of_hours, price_of_index, price_of_queries
from evaluate.cost.spec import CostSpec

RATES = CostSpec(core_hour=0.36, gb_month=2)


def test_prices_by_hand() -> None:
    """At .36 an hour a second costs .0001."""
    assert price_of_queries(0.01, RATES) == pytest.approx(1.0)
    assert price_of_hours(60, RATES) == pytest.approx(6.0)
    assert price_of_index(500_000_000, RATES) == pytest.approx(1.0)


def test_the_front_has_what_no_other_exceeds() -> None:
    points = {"dear": (5, 0.6), "worse": (5, 0.5), "cheap": (1, 0.4), "same": (2, 0.4), "middle": (3, 0.55)}
    assert pareto(points) == ["cheap", "middle", "dear"]
    assert pareto({}) == []
