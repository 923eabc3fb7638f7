"""The ladder of a search: its settings, the recall and cost measured for each, and the choice that keeps a promise.

The ladder has four rungs; each reads fewer rows with more bits than the one before:

    route   which lists of rows may hold the answers (a learned router; lists are read in full)
    scan    4-bit codes of the rows in these lists -> `shortlist` candidates
    rank    8-bit rows at the asked width          -> `exact` of them
    exact   16-bit rows                            -> the hits

A Setting is a depth of search, a Point its recall and cost on queries that were not used to choose it, a Curve all
points worth choosing.  `Curve.for_recall` and `Curve.for_budget` are look-ups: a search measures nothing.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Setting(_Value):
    """The depth of one search."""

    depth: float  # a list is read where the answers expected in it, per row, exceed e ** -depth
    shortlist: int  # candidates of the scan that are ranked by 8-bit rows
    exact: int  # of these, how many are ranked again by 16-bit rows

    def wider(self, factor: float) -> "Setting":
        """For `factor` times as many hits, or where only one hit in `factor` may be shown."""
        if factor == 1:
            return self
        return self.model_copy(
            update={"shortlist": round(self.shortlist * factor), "exact": max(self.exact, round(self.exact * factor))}
        )


class Point(_Value):
    """A setting, with its measured recall and cost."""

    setting: Setting
    recall: dict[str, float]  # mean by kind of query: rows | spans | log
    low: float  # recall that as many other questions reach with 95 % certainty, of the kind with the lowest
    rows_read: float  # mean share of the rows whose codes are read
    ms_one: float  # per query, one at a time
    ms_many: float  # per query, many at once


class Curve(_Value):
    """The points worth choosing at one width: each costs more and finds more than the one before."""

    dim: int
    k: int  # recall at k
    queries: dict[str, int]  # how many of each kind the points were measured on
    points: tuple[Point, ...]

    def for_recall(self, recall: float) -> Point | None:
        """The cheapest point whose lower bound reaches `recall`; None where none does: then every row is read."""
        return next((point for point in self.points if point.low >= recall), None)

    def for_budget(self, budget_ms: float, many: bool) -> Point:
        """The best point that takes at most `budget_ms` a query; the cheapest where none is fast enough."""
        fitting = [point for point in self.points if (point.ms_many if many else point.ms_one) <= budget_ms]
        return fitting[-1] if fitting else self.points[0]


def pareto(points: Sequence[Point]) -> tuple[Point, ...]:
    """Points whose `low` no cheaper point reaches, cheapest first; cost is the mean of ms_one and ms_many."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.ms_one + point.ms_many, -point.low)):
        if not kept or point.low > kept[-1].low:
            kept.append(point)
    return tuple(kept)


def plain(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """As JSON values, for reports."""
    return [curve.model_dump(mode="json") for curve in curves]
