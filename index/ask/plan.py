"""The plan of one search on one shelf: how deep, and why; decided before anything is read, by counts, not by a clock.

Where only one row in n may be a hit, the k-th hit is about row k * n of the order without a filter, so a search goes as
deep as for k * n hits (`index.rungs.kernels.route`, for each query by the lists that it reads).  A filter that keeps
one side of the rows needs more than that, as measured at build time.  All rows that the filter keeps are read instead
where that costs less: so the cost never jumps when it keeps one row more.  After appends a list has more rows and as
large a share of the answers: the depth grows with the logarithm of the rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from embed.quantities import many
from index.kept import Kept
from index.ladder import Curve, Point, Setting, point_for, slope
from index.rungs.gpu import unsuited
from index.rungs.listing import Listing
from index.rungs.shelf import Shelf

EVERY_ROW = 1.0
# Shortlists for a recall of .95 to .999, from 8,750 to 35,000 static vectors: 1.15 to 1.3 times as long.
SHORTLIST_GROWTH = 0.15


@dataclass(frozen=True)
class Effort:
    """The recall to keep, or the time to take."""

    recall: float | None
    budget_ms: float | None
    many: bool  # queries come in a batch


@dataclass(frozen=True)
class Decision:
    setting: Setting | None  # None: every row that may be a hit
    point: Point | None  # what it was measured to give
    why: str
    on_card: bool = False
    slope: float = 0.0  # see `index.rungs.shelf.ShelfRequest`
    expected_rows: float = 0.0  # that a search under a filter is expected to read


def decide(
    shelf: Shelf,
    k: int,
    dim: int,
    effort: Effort,
    kept: Sequence[Kept | None] | None = None,
    whole: Listing | None = None,
) -> Decision:
    """The decision for a search in which the `kept` rows of each segment may be hits; None: all.

    `whole` is the listing of all shards, where the shelf is of one: each decides as one machine with all rows would.
    """
    count = shelf.num_kept(kept) if whole is None else whole.hits
    if shelf.cards and unsuited(k, dim, shelf.width, count < shelf.rows) is None:
        return Decision(None, None, "every row, in half precision on the card, the best of them exactly", on_card=True)
    if not count:
        return Decision(None, None, "no row may be a hit")
    if shelf.coder is None:
        return Decision(None, None, f"every row: {many(count, 'row')}, too few to be worth lists and codes")
    if effort.recall == EVERY_ROW:
        return Decision(None, None, "every row: recall 1 was asked for")
    curves = shelf.curves_at(dim)
    if not curves:
        return Decision(None, None, f"every row: nothing was measured at dim {dim}")
    made = _by_effort(shelf, curves, k, effort)
    if made.point is None or made.setting is None:
        return made
    return _on_rows(shelf, curves, k, made, made.point, whole or shelf.listing(kept))


def _by_effort(shelf: Shelf, curves: list[Curve], k: int, effort: Effort) -> Decision:
    """For all rows, as many as were measured."""
    known = f"; untested beyond {curves[-1].k} hits, so it reads deeper" if k > curves[-1].k else ""
    if curves[0].agrees is not None:
        known += f"; the ten best at dim {curves[0].dim} hold {curves[0].agrees:.0%} of the ten best at full width"
    if effort.budget_ms is not None:
        curve = next((curve for curve in curves if curve.k >= k), curves[-1])
        pace = shelf.pace(curve)
        point = curve.for_budget(effort.budget_ms / pace * min(1.0, curve.k / k), effort.many)
        cost = pace * (point.ms_many if effort.many else point.ms_one)
        why = f"within {effort.budget_ms:g} ms: about {cost:.3g} ms, recall@{curve.k} of {point.low:.4f} or more"
        return Decision(point.setting.wider(max(1.0, k / curve.k)), point, why + known)
    recall = effort.recall or 0.0
    found = point_for(curves, k, recall)
    if found is None:
        return Decision(None, None, f"every row: no measured point keeps recall@{k} {recall:g}")
    why = f"recall {recall:g}: the depth measured to keep it (recall@{k} of {found.low:.4f} or more)"
    return Decision(found.setting, found, why + known)


def _on_rows(
    shelf: Shelf,
    curves: list[Curve],
    k: int,
    made: Decision,
    point: Point,
    listing: Listing,
) -> Decision:
    """The same on the rows of now and under the filter, or all rows that it keeps where that costs less."""
    count, setting, widest = listing.hits, made.setting, curves[-1]
    assert setting is not None
    if listing.plain:
        return made if count > k else Decision(None, None, f"all {many(count, 'row')}")
    steep, base = slope(curves, point.low), max(curves, key=lambda curve: curve.sided_depth)
    setting = setting.deeper(
        math.log(listing.growth) + listing.uneven * base.sided_depth,
        max(1.0, listing.growth) ** SHORTLIST_GROWTH * (1 + listing.uneven * (base.sided_shortlist - 1)),
    )
    all_of_them = Decision(None, None, f"all {many(count, 'row')} that the filter keeps")
    if count <= max(k, setting.exact):
        return all_of_them
    rows = _rows_read(widest, setting.depth - math.log(listing.growth) + steep * math.log(listing.rows / count))
    read, lists = min(rows * listing.rows, listing.stored), rows * listing.lists
    if shelf.cost.every(count) <= shelf.cost.scan(read, lists, setting):
        return all_of_them
    filtered = (
        f"; {count / listing.rows:.3g} of the rows may be hits, so it reads deeper" if count < listing.rows else ""
    )
    return Decision(setting, point, made.why + filtered, slope=steep, expected_rows=read)


def _rows_read(curve: Curve, depth: float) -> float:
    """Share of the rows that is read at a depth: between two measured points, beyond them in proportion."""
    points = sorted(curve.points, key=lambda point: point.setting.depth)
    depths, shares = [point.setting.depth for point in points], [point.rows_read for point in points]
    above = next((place for place, one in enumerate(depths) if one >= depth), len(points))
    if above == 0:
        return shares[0]
    if above == len(points):
        return min(1.0, shares[-1] * math.exp((depth - depths[-1]) / 2))
    share = (depth - depths[above - 1]) / (depths[above] - depths[above - 1])
    return shares[above - 1] + share * (shares[above] - shares[above - 1])
