"""What one search does on one shelf, decided before anything is read: how deep, and why no deeper."""

from dataclasses import dataclass

from index.building.choose import filtered, unsuited
from index.ladder import Curve, Point, Setting
from index.rungs.shelf import Shelf

EVERY_ROW = 1.0


@dataclass(frozen=True)
class Effort:
    """What the asker wants: recall or time."""

    recall: float | None
    budget_ms: float | None
    many: bool  # queries come in a batch


@dataclass(frozen=True)
class Decision:
    setting: Setting | None  # None: every row that may be a hit
    point: Point | None  # what it was measured to give
    why: str
    on_card: bool = False


def decide(shelf: Shelf, k: int, dim: int, effort: Effort, kept: int) -> Decision:
    """`kept` of the shelf's rows may be hits at all."""
    if shelf.cards and unsuited(k, dim, shelf.width, kept < shelf.rows) is None:
        return Decision(None, None, "every row, in half precision on the card, the best of them exactly", on_card=True)
    if shelf.coder is None:
        return Decision(None, None, f"every row: {kept:,} are too few to be worth lists and codes")
    if effort.recall == EVERY_ROW:
        return Decision(None, None, "every row: recall 1 was asked for")
    read = filtered(kept, shelf.rows, k)
    if read.every:
        return Decision(None, None, f"all {kept:,} rows that the filter keeps")
    wanted = k * read.widen
    curve = shelf.curve(dim, round(wanted))
    if curve is None:
        return Decision(None, None, f"every row: nothing was measured at dim {dim}")
    return _chosen(curve, effort, max(1.0, wanted / curve.k))


def _chosen(curve: Curve, effort: Effort, factor: float) -> Decision:
    if effort.budget_ms is not None:
        point = curve.for_budget(effort.budget_ms / factor, effort.many)
        cost = point.ms_many if effort.many else point.ms_one
        why = f"within {effort.budget_ms:g} ms: measured {cost:.3g} ms, recall@{curve.k} of {point.low:.4f} or more"
        return Decision(point.setting.wider(factor), point, why)
    wanted = effort.recall or 0.0
    found = curve.for_recall(wanted)
    if found is None:
        return Decision(None, None, f"every row: no measured point keeps recall@{curve.k} {wanted:g}")
    why = f"recall {wanted:g}: the cheapest point measured to keep it (recall@{curve.k} of {found.low:.4f} or more)"
    return Decision(found.setting.wider(factor), found, why)
