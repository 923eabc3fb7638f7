"""The ladder of a search: its settings, the recall and cost measured for each, and the choice that keeps a promise.

The ladder has four rungs; each reads fewer rows with more bits than the one before:

    route   which lists of rows may hold the answers (a learned router; lists are read in full)
    scan    4-bit codes of the rows in these lists -> `shortlist` candidates
    rank    8-bit rows at the asked width          -> `exact` of them
    exact   16-bit rows                            -> the hits

A Setting is a depth of search, a Point its recall and cost on queries that were not used to choose it, a Curve all
points worth choosing for one number of hits.  `point_for` is a look-up: a search measures nothing.  Between two points,
and between two numbers of hits, the depth is interpolated, so that no more is read than the recall requires.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Setting(_Value):
    """The depth of one search."""

    depth: float  # a list is read where the answers expected in it, per row, exceed e ** -depth
    shortlist: int  # candidates of the scan that are ranked by 8-bit rows
    exact: int  # of these, how many are ranked again by 16-bit rows

    def deeper(self, depth: float, factor: float = 1.0) -> "Setting":
        """With so much more depth, and `factor` times the shortlist."""
        return self.model_copy(
            update={"depth": round(self.depth + depth, 4), "shortlist": math.ceil(self.shortlist * factor)}
        )

    def wider(self, factor: float) -> "Setting":
        """For `factor` times as many hits."""
        wide = {"shortlist": math.ceil(self.shortlist * factor), "exact": math.ceil(self.exact * factor)}
        return self.model_copy(update=wide)


class Point(_Value):
    """A setting, with its measured recall and cost."""

    setting: Setting
    recall: dict[str, float]  # mean by kind of query: see `index.calibration.questions`
    low: float  # recall that as many other questions reach with 95 % certainty, of the kind with the lowest
    rows_read: float  # mean share of the rows whose codes are read
    ms_one: float  # per query, one at a time: from counts, on the machine of `index.rungs.cost`
    ms_many: float  # per query, many at once


class Curve(_Value):
    """The points worth choosing at one width and number of hits: each costs more and finds more than the one before."""

    dim: int
    k: int  # recall at k
    queries: dict[str, int]  # how many of each kind the points were measured on
    points: tuple[Point, ...]
    agrees: float | None = None  # share of the true best at full width that is among the true best at `dim`
    # Under a filter that keeps one side of the rows, beyond what the share of the answers that it keeps explains:
    sided_depth: float = 0.0  # more depth
    sided_shortlist: float = 1.0  # times the shortlist

    def for_recall(self, recall: float) -> Point | None:
        """The point whose lower bound is `recall`, between two measured ones; None where none reaches it."""
        above = next((place for place, point in enumerate(self.points) if point.low >= recall), None)
        if not above:
            return None if above is None else self.points[0]
        below, reached = self.points[above - 1], self.points[above]
        return between(below, reached, (recall - below.low) / (reached.low - below.low))

    def for_budget(self, budget_ms: float, many: bool) -> Point:
        """The best point that takes at most `budget_ms` a query; the cheapest where none is fast enough."""
        fitting = [point for point in self.points if (point.ms_many if many else point.ms_one) <= budget_ms]
        return fitting[-1] if fitting else self.points[0]


def between(first: Point, second: Point, share: float) -> Point:
    """The point at this share of the way from the first to the second; the shortlist in equal ratios."""

    def mixed(one: float, other: float) -> float:
        return one + share * (other - one) if share else one

    def in_ratio(one: int, other: int) -> int:
        return math.ceil(math.exp(mixed(math.log(one), math.log(other))) - 1e-6)

    one, other = first.setting, second.setting
    setting = Setting(
        depth=round(mixed(one.depth, other.depth), 4),
        shortlist=in_ratio(one.shortlist, other.shortlist),
        exact=in_ratio(one.exact, other.exact),
    )
    return Point(
        setting=setting,
        recall={kind: mixed(value, second.recall.get(kind, value)) for kind, value in first.recall.items()},
        low=mixed(first.low, second.low),
        rows_read=mixed(first.rows_read, second.rows_read),
        ms_one=mixed(first.ms_one, second.ms_one),
        ms_many=mixed(first.ms_many, second.ms_many),
    )


def point_for(curves: Sequence[Curve], k: int, recall: float) -> Point | None:
    """The point that keeps recall@k, of curves of one width by ascending k; None where a curve does not reach it.

    Between two curves by the logarithm of k; beyond the last one deeper, by the slope of the last two.
    """
    points = [curve.for_recall(recall) for curve in curves]
    above = next((place for place, curve in enumerate(curves) if curve.k >= k), len(curves))
    if above == 0 or len(curves) == 1:
        first = points[0]
        return first if first is None or k <= curves[0].k else _beyond(first, USUAL_SLOPE, k / curves[0].k)
    lower, upper = (above - 1, above) if above < len(curves) else (above - 2, above - 1)
    first, second = points[lower], points[upper]
    if first is None or second is None:
        return None
    if above == len(curves):
        return _beyond(second, slope(curves, recall), k / curves[-1].k)
    share = math.log(k / curves[lower].k) / math.log(curves[upper].k / curves[lower].k)
    return between(first, second, share)


# Depth for each e times as many hits: .61, .71, .89 at recalls of .95, .99, .999 on static vectors of 35,000 passages.
USUAL_SLOPE = 0.8


def slope(curves: Sequence[Curve], recall: float) -> float:
    """More depth for each e times as many hits, of curves of one width by ascending k; never below half the usual."""
    found = [(curve.k, curve.for_recall(recall)) for curve in curves]
    steps = [
        (other.setting.depth - one.setting.depth) / math.log(more / few)
        for (few, one), (more, other) in pairwise(found)
        if one is not None and other is not None
    ]
    return max([USUAL_SLOPE / 2, *steps[-1:]]) if steps else USUAL_SLOPE


def _beyond(point: Point, steepness: float, factor: float) -> Point:
    setting = point.setting.wider(factor).deeper(max(steepness, USUAL_SLOPE) * math.log(factor))
    return point.model_copy(update={"setting": setting})


def plain(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """As JSON values, for reports."""
    return [curve.model_dump(mode="json") for curve in curves]
