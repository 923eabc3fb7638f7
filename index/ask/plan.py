"""The plan of one search on one shelf: how deep, and why; decided before anything is read."""

from dataclasses import dataclass

from embed.quantities import many
from index.ladder import Curve, Point, Setting
from index.rungs.gpu import unsuited
from index.rungs.shelf import Shelf

EVERY_ROW = 1.0

# Up to this many rows that a filter keeps are all read: 20,000 of width 384 are 15 MB, a millisecond, none is missed.
FEW_KEPT = 20_000
# A scan of all codes for one row in fifty would read more than these rows; up to 200,000 rows (150 MB, 10 ms).
SMALL_SHARE, MOST_KEPT = 0.02, 200_000
# Above half of the rows a filter hides little: twice the shortlist finds what it keeps.
LARGE_SHARE = 0.5
MOST_WIDEN = 10.0  # times the shortlist; a filter that needs more keeps too few rows for the scan


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


@dataclass(frozen=True)
class Read:
    """What a search under a filter reads."""

    every: bool  # all rows that the filter keeps, exactly
    widen: float = 1.0  # else: the scan, with so many times the usual candidates


def decide(shelf: Shelf, k: int, dim: int, effort: Effort, kept: int) -> Decision:
    """The decision for a search in which `kept` of the shelf's rows may be hits."""
    if shelf.cards and unsuited(k, dim, shelf.width, kept < shelf.rows) is None:
        return Decision(None, None, "every row, in half precision on the card, the best of them exactly", on_card=True)
    if not kept:
        return Decision(None, None, "no row may be a hit")
    if shelf.coder is None:
        return Decision(None, None, f"every row: {many(kept, 'row')}, too few to be worth lists and codes")
    if effort.recall == EVERY_ROW:
        return Decision(None, None, "every row: recall 1 was asked for")
    read = filtered(kept, shelf.rows, k)
    if read.every:
        return Decision(None, None, f"all {many(kept, 'row')} that the filter keeps")
    hits = k * read.widen
    curve = shelf.curve(dim, round(hits))
    if curve is None:
        return Decision(None, None, f"every row: nothing was measured at dim {dim}")
    return _by_effort(curve, effort, max(1.0, hits / curve.k))


def filtered(kept: int, total: int, k: int) -> Read:
    """How to find the k best of the `kept` rows of `total`, which have codes."""
    few = kept <= FEW_KEPT and kept <= LARGE_SHARE * total
    rare = kept <= MOST_KEPT and kept <= SMALL_SHARE * total
    if few or rare or kept <= k:
        return Read(every=True)
    return Read(every=False, widen=min(MOST_WIDEN, total / kept))


def _by_effort(curve: Curve, effort: Effort, factor: float) -> Decision:
    if effort.budget_ms is not None:
        point = curve.for_budget(effort.budget_ms / factor, effort.many)
        cost = point.ms_many if effort.many else point.ms_one
        why = f"within {effort.budget_ms:g} ms: measured {cost:.3g} ms, recall@{curve.k} of {point.low:.4f} or more"
        return Decision(point.setting.wider(factor), point, why)
    recall = effort.recall or 0.0
    found = curve.for_recall(recall)
    if found is None:
        return Decision(None, None, f"every row: no measured point keeps recall@{curve.k} {recall:g}")
    why = f"recall {recall:g}: the cheapest point measured to keep it (recall@{curve.k} of {found.low:.4f} or more)"
    return Decision(found.setting.wider(factor), found, why)
