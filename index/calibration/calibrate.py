"""Calibration of one modality: the ladder's curves of settings, recall and cost, measured on the modality's own rows.

1. truth      one exact pass gives the nearest rows of all questions
2. router     trained on the questions that choose
3. needs      one deep scan: the depth and the shortlist that each true neighbour needs (`index.calibration.needs`), and
              so the recall of every depth and shortlist, for 1, 10 and 100 hits, without another search
4. choose     for even steps of recall the cheapest depth and shortlist, by counted rows and bytes
5. report     these are counted on questions that were not used to choose; a point promises the recall that other
              questions reach with 95 % certainty, of the kind with the lowest
6. sides      the same for filters that keep one side of the rows (`index.calibration.sides`)

Nothing is timed: two builds of the same rows give the same curves.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embed.encoder import FloatArray
from index.calibration.needs import Needs, needs_of
from index.calibration.questions import FEWEST, Encode, Questions, Split, questions_for
from index.calibration.sides import Sides, sides_of
from index.calibration.truth import HITS, lower_bound, true_nearest
from index.contracts import Hits, IntArray
from index.faiss_library import single_thread
from index.ladder import Curve, Point, Setting
from index.rungs.cost import ONE
from index.rungs.router import train_router
from index.rungs.shelf import Shelf

logger = logging.getLogger(__name__)

KS = (1, HITS, 100)
DEEP = 1_536  # candidates of the scan of step 3
DEPTHS = 40
LEAST_SHARE, MOST_SHARE = 0.005, 0.99  # of the rows, read by the first and the last depth
CHOOSING = 400  # questions of a kind; the router is trained on all of them
NARROWER = 500  # reported questions of a kind at less than full width, which costs as much again for each width
SHORTLISTS = 16
SHORTEST, LONGEST = 1.4, 50  # shortlists a hit
EXACT_PER_HIT = 2  # 8-bit rows put the true ten among their best 15 (measured: all of 10,000); twenty is safe
LEAST_EXACT, EXACT_OF_MANY = 12, 1.4
SURVIVORS = 24
LEAST_RECALL = 0.8  # nobody requests less
SMALLEST_LOSS = 2e-4  # of recall; smaller differences cannot be measured with so few questions


@dataclass(frozen=True)
class QuestionBatch:
    """Questions of all kinds as one batch, with their true neighbours."""

    vectors: FloatArray  # [q, D]
    own: IntArray  # [q]
    kinds: tuple[str, ...]
    kind_of: IntArray  # [q], place in `kinds`
    true: Hits  # [q, k]

    def worst(self, found: FloatArray, bound: bool) -> tuple[dict[str, float], float]:
        """Mean recall by kind, and the least of them or of their lower bounds; `found` [q]."""
        means, lows = {}, []
        for number, kind in enumerate(self.kinds):
            here = found[self.kind_of == number]
            means[kind] = round(float(here.mean()), 5)
            lows.append(lower_bound(here) if bound else float(here.mean()))
        return means, min(lows)

    def some(self, which: IntArray) -> "QuestionBatch":
        true = Hits(self.true.ids[which], self.true.scores[which])
        return QuestionBatch(self.vectors[which], self.own[which], self.kinds, self.kind_of[which], true)

    def at_most(self, count: int) -> IntArray:
        """Places of the first `count` of each kind."""
        return np.concatenate([np.flatnonzero(self.kind_of == number)[:count] for number in range(len(self.kinds))])


@dataclass(frozen=True)
class Measured:
    """A batch with its needs."""

    batch: QuestionBatch
    needs: Needs


def calibrate(
    shelf: Shelf,
    folder: Path,
    dims: Sequence[int],
    encode: Encode | None,
    log: FloatArray | None,
    note: Callable[[str], None] = logger.info,
    others: FloatArray | None = None,
) -> tuple[FloatArray, tuple[Curve, ...]]:
    """Router [L, D + 1] and the curves of a shelf of one coded segment, whose files are in `folder`.

    `others` [n, D] are rows of the other modalities.  There is no curve where there are too few questions to promise a
    recall.
    """
    split = questions_for(shelf.segments[0], folder, encode, log, others)
    choose, report = (_batch_of(shelf, some, dims[0], k) for some, k in ((split.choose, HITS), (split.report, KS[-1])))
    router = train_router(shelf.middles(), choose.vectors, _shares(shelf, choose))
    if len(report.own) < FEWEST:
        return router, ()
    ready = shelf.with_router(router)
    split = Split(tuple(some.some(slice(CHOOSING)) for some in split.choose), split.report)
    with single_thread():
        curves = [curve for dim in dims for curve in _curves_at(ready, dim, split, report, note)]
        whole = [curve for curve in curves if curve.dim == dims[0]]
        sides = sides_of(ready, report.vectors, report.own, report.kind_of, whole) if whole else Sides(0.0, 1.0)
    sided = {"sided_depth": sides.depth, "sided_shortlist": sides.shortlist}
    return router, tuple(curve.model_copy(update=sided) for curve in curves)


def _curves_at(shelf: Shelf, dim: int, split: Split, whole: QuestionBatch, note: Callable[[str], None]) -> list[Curve]:
    """The curves at `dim`; `whole` has the truth of the reported questions at full width."""
    if dim != shelf.width:
        split = Split(split.choose, tuple(some.some(slice(NARROWER)) for some in split.report))
        whole = whole.some(whole.at_most(NARROWER))
    choose = _measured(shelf, _batch_of(shelf, split.choose, dim, KS[-1]))
    report = whole if dim == shelf.width else _batch_of(shelf, split.report, dim, KS[-1])
    agrees = None if dim == shelf.width else _agreement(report.true.ids[:, :HITS], whole.true.ids[:, :HITS])
    reported = _measured(shelf, report)
    curves = []
    for k in KS:
        points = _rising([_point(shelf, setting, k, reported) for setting in _settings(shelf, k, choose)])
        if points:
            curves.append(Curve(dim=dim, k=k, queries=_counts(report), points=points, agrees=agrees))
    best = f"{curves[1].points[-1].low:.4f}" if len(curves) == len(KS) else "nothing"
    known = "" if agrees is None else f"; its ten best hold {agrees:.0%} of the ten best at full width"
    note(f"{shelf.modality} at dim {dim}: the best of {SURVIVORS} points keeps recall@{HITS} {best}{known}")
    return curves


def _measured(shelf: Shelf, batch: QuestionBatch) -> Measured:
    return Measured(batch, needs_of(shelf, batch.vectors, batch.true.ids, batch.own, DEEP))


def _settings(shelf: Shelf, k: int, choose: Measured) -> list[Setting]:
    """For even steps of the logarithm of what is lost, the cheapest setting; none reads less than the one before."""
    lists = np.unique(np.geomspace(SHORTEST * k + 4, min(DEEP, LONGEST * k), SHORTLISTS).astype(int))
    tried = []
    for depth in _depths(choose.needs, shelf.rows):
        rows, num_lists = choose.needs.reading(depth)
        found = choose.needs.found(depth, lists, k)
        for place, shortlist in enumerate(lists.tolist()):
            setting = Setting(depth=round(depth, 4), shortlist=max(shortlist, exact_for(k)), exact=exact_for(k))
            kept = choose.batch.worst(found[:, place], bound=False)[1]
            tried.append((shelf.cost.scan(rows, num_lists, setting), kept, setting))
    tried.sort(key=lambda one: one[0])
    best = max(kept for _, kept, _ in tried)
    chain: list[Setting] = []
    for target in 1 - np.geomspace(1 - LEAST_RECALL, max(1 - best, SMALLEST_LOSS), SURVIVORS):
        least = chain[-1] if chain else tried[0][2]
        fitting = (
            setting
            for _, kept, setting in tried
            if kept >= min(target, best) and setting.depth >= least.depth and setting.shortlist >= least.shortlist
        )
        chain += [setting for setting in [next(fitting, None)] if setting is not None and setting not in chain]
    # The setting that promises most is always one: the choosing questions may all need less.
    return [
        *chain,
        Setting(depth=round(_depths(choose.needs, shelf.rows)[-1], 4), shortlist=max(DEEP, k), exact=exact_for(k)),
    ]


def exact_for(k: int) -> int:
    """Rows that are ranked by 16 bits for k hits."""
    return max(LEAST_EXACT, EXACT_PER_HIT * k if k <= HITS else round(EXACT_OF_MANY * k))


def _depths(needs: Needs, rows: int) -> list[float]:
    """Depths at which half a percent to nearly all of the rows are read, in equal ratios."""
    read = np.sort(needs.read, axis=None)
    weights = np.tile(needs.sizes, len(needs.read))[np.argsort(needs.read, axis=None, kind="stable")]
    shares = np.cumsum(weights) / (rows * len(needs.read))
    at = np.searchsorted(shares, np.geomspace(LEAST_SHARE, MOST_SHARE, DEPTHS))
    found = read[np.minimum(at, len(read) - 1)]
    return [float(depth) for depth in found if np.isfinite(depth)] or [float(read[np.isfinite(read)].max(initial=1.0))]


def _point(shelf: Shelf, setting: Setting, k: int, report: Measured) -> Point:
    found = report.needs.found(setting.depth, np.array([setting.shortlist]), k)[:, 0]
    means, low = report.batch.worst(found, bound=True)
    rows, lists = report.needs.reading(setting.depth)
    nanoseconds = shelf.cost.scan(rows, lists, setting)
    return Point(
        setting=setting,
        recall=means,
        low=round(low, 5),
        rows_read=round(rows / shelf.rows, 5),
        ms_one=round((nanoseconds + ONE) / 1e6, 4),
        ms_many=round(nanoseconds / 1e6, 4),
    )


def _rising(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points that find more than all before them."""
    kept: list[Point] = []
    for point in points:
        if not kept or point.low > kept[-1].low:
            kept.append(point)
    return tuple(kept)


def _agreement(found: IntArray, whole: IntArray) -> float:
    same = [np.isin(row[row >= 0], other).mean() for row, other in zip(whole, found, strict=True) if (row >= 0).any()]
    return round(float(np.mean(same)), 4) if same else 1.0


def _batch_of(shelf: Shelf, some: Sequence[Questions], dim: int, k: int) -> QuestionBatch:
    vectors = np.vstack([questions.vectors for questions in some])
    own = np.concatenate([questions.own for questions in some])
    kind_of = np.concatenate([np.full(len(questions.own), number) for number, questions in enumerate(some)])
    cut = np.zeros_like(vectors)
    cut[:, :dim] = vectors[:, :dim]
    cut /= np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-30)
    true = true_nearest(cut, shelf.segments[0].rows, k, dim, own)
    return QuestionBatch(cut, own, tuple(questions.kind for questions in some), kind_of, true)


def _shares(shelf: Shelf, batch: QuestionBatch) -> FloatArray:
    """[q, L]: of each question's true neighbours, the share in each list."""
    lists = shelf.segments[0].lists()
    shares = np.zeros((len(batch.own), len(shelf.middles())), np.float32)
    for row, ids in zip(shares, batch.true.ids, strict=True):
        real = ids[ids >= 0]
        np.add.at(row, lists[real], 1 / max(1, len(real)))
    return shares


def _counts(batch: QuestionBatch) -> dict[str, int]:
    return {kind: int((batch.kind_of == number).sum()) for number, kind in enumerate(batch.kinds)}
