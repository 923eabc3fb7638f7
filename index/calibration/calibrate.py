"""Calibration of one modality: the ladder's curve of settings, recall and cost, measured on the modality's own rows.

1. truth      one exact pass gives the nearest rows of all questions
2. router     trained on the questions that choose
3. contain    for a grid of depths one deep scan each: it gives the place of each true neighbour in the scan, and so the
              recall of every shortlist without another search
4. survive    of all pairs of depth and shortlist only those that no cheaper pair matches; the cost is from a model that
              is fitted to a few timed searches
5. report     the survivors are searched and timed on questions that were not used to choose; a point promises the
              recall that other questions reach with 95 % certainty, of the kind with the lowest
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from embed.encoder import FloatArray
from index.calibration.questions import FEWEST, Encode, Questions, Split, questions_for
from index.calibration.truth import HITS, lower_bound, recalls, true_nearest
from index.contracts import NO_ID, Hits, IntArray
from index.faiss_library import single_thread
from index.ladder import Curve, Point, Setting, pareto
from index.rungs.router import train_router
from index.rungs.shelf import Shelf, ShelfRequest

logger = logging.getLogger(__name__)

DEEP = 512  # candidates of the scans of step 3
DEPTHS = 36
CHOOSING = 400  # questions of a kind; the router is trained on all of them
SHORTLISTS = (16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 256, 320, 384, 512)
EXACT_PER_HIT = 2  # 8-bit rows put the true ten among their best 15 (measured: all of 10,000); twenty is safe
SURVIVORS = 24
LEAST_RECALL = 0.8  # nobody requests less
SMALLEST_LOSS = 2e-4  # of recall; smaller differences cannot be measured with so few questions
ROUNDS, TIMED, ONES = 4, 256, 48


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


def calibrate(
    shelf: Shelf,
    folder: Path,
    dims: Sequence[int],
    encode: Encode | None,
    log: FloatArray | None,
    note: Callable[[str], None] = logger.info,
) -> tuple[FloatArray, tuple[Curve, ...]]:
    """Router [L, D + 1] and the curves of a shelf of one coded segment, whose files are in `folder`.

    There is no curve where there are too few questions to promise a recall.
    """
    split = questions_for(shelf.segments[0], folder, encode, log)
    choose, report = (_batch_of(shelf, some, dims[0]) for some in (split.choose, split.report))
    router = train_router(shelf.middles(), choose.vectors, _shares(shelf, choose))
    if len(report.own) < FEWEST:
        return router, ()
    ready = shelf.with_router(router)
    split = Split(tuple(some.some(slice(CHOOSING)) for some in split.choose), split.report)
    choose = choose.some(_first_of_each(choose, CHOOSING))
    with single_thread():
        cost = _cost_model(ready, choose.vectors)
        curves = [curve_at(ready, dim, cost, split, choose, report, note) for dim in dims]
    return router, tuple(curve for curve in curves if curve.points)


def curve_at(
    shelf: Shelf,
    dim: int,
    cost: "Cost",
    split: Split,
    choose: QuestionBatch,
    report: QuestionBatch,
    note: Callable[[str], None],
) -> Curve:
    """The curve at `dim`.  `choose` and `report` have the truth at full width; that of a prefix is computed here."""
    if dim != shelf.width:
        choose, report = (_batch_of(shelf, some, dim) for some in (split.choose, split.report))
    settings = _survivors(shelf, dim, cost, choose)
    points = pareto(_smooth([_measured(shelf, dim, setting, report) for setting in settings]))
    curve = Curve(dim=dim, k=HITS, queries=_counts(report), points=points)
    best = f"{points[-1].low:.4f}" if points else "nothing"
    note(f"{shelf.modality} at dim {dim}: {len(points)} points measured, the best keeps recall@{HITS} {best}")
    return curve


def _batch_of(shelf: Shelf, some: Sequence[Questions], dim: int) -> QuestionBatch:
    vectors = np.vstack([questions.vectors for questions in some])
    own = np.concatenate([questions.own for questions in some])
    kind_of = np.concatenate([np.full(len(questions.own), number) for number, questions in enumerate(some)])
    cut = np.zeros_like(vectors)
    cut[:, :dim] = vectors[:, :dim]
    cut /= np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-30)
    true = true_nearest(cut, shelf.segments[0].rows, HITS, dim, own)
    return QuestionBatch(cut, own, tuple(questions.kind for questions in some), kind_of, true)


def _first_of_each(batch: QuestionBatch, count: int) -> IntArray:
    return np.concatenate([np.flatnonzero(batch.kind_of == number)[:count] for number in range(len(batch.kinds))])


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


@dataclass(frozen=True)
class Cost:
    """Milliseconds of one query: fixed + by rows read + by candidates ranked."""

    fixed: float
    per_row: float
    per_candidate: float

    def of(self, rows: float, shortlist: int) -> float:
        return self.fixed + rows * self.per_row + shortlist * self.per_candidate


def _cost_model(shelf: Shelf, queries: FloatArray) -> Cost:
    """Least squares over six timed searches in batches."""
    some = queries[:256]
    seen, spent = [], []
    for depth in _depths(shelf, some)[[12, 20, 28]]:
        for shortlist in (SHORTLISTS[2], SHORTLISTS[11]):
            setting = Setting(depth=float(depth), shortlist=shortlist, exact=HITS * EXACT_PER_HIT)
            rows = shelf.rows_in(shelf.route(some, setting.depth)[0]) / len(some)
            request = ShelfRequest(HITS, shelf.width, setting)
            shelf.search(some, request)  # pages and kernels are warm
            spent.append(_seconds(partial(shelf.search, some, request)) / len(some) * 1000)
            seen.append([1.0, rows, shortlist])
    fixed, row, candidate = np.linalg.lstsq(np.array(seen), np.array(spent), rcond=None)[0]
    return Cost(max(float(fixed), 0.0), max(float(row), 1e-9), max(float(candidate), 1e-6))


def _depths(shelf: Shelf, queries: FloatArray) -> FloatArray:
    """Depths at which 1 % to 97 % of the rows are read, in equal ratios."""
    shares = np.geomspace(0.01, 0.97, DEPTHS)
    return np.array([_depth_reading(shelf, queries, float(share)) for share in shares], np.float32)


def _depth_reading(shelf: Shelf, queries: FloatArray, share: float) -> float:
    low, high = 0.0, 60.0
    for _ in range(24):
        middle = (low + high) / 2
        read = shelf.rows_in(shelf.route(queries[:128], middle)[0]) / (len(queries[:128]) * shelf.rows)
        low, high = (middle, high) if read < share else (low, middle)
    return high


def _survivors(shelf: Shelf, dim: int, cost: Cost, batch: QuestionBatch) -> list[Setting]:
    """Settings, cheapest first; each keeps more neighbours of the choosing questions than the one before."""
    tried: list[tuple[float, float, Setting]] = []
    for depth in _depths(shelf, batch.vectors):
        lists, near = shelf.route(batch.vectors, float(depth))
        rows = shelf.rows_in(lists) / len(lists)
        for shortlist, kept in _contained(shelf, dim, lists, near, batch).items():
            setting = Setting(depth=round(float(depth), 4), shortlist=shortlist, exact=HITS * EXACT_PER_HIT)
            tried.append((cost.of(rows, shortlist), kept, setting))
    chain: list[tuple[float, Setting]] = []
    for _, kept, setting in sorted(tried, key=lambda one: one[0]):
        if kept > (chain[-1][0] if chain else LEAST_RECALL):
            chain.append((kept, setting))
    # The setting that promises most is always a survivor: the choosing questions may all need less.
    deepest = Setting(
        depth=round(float(_depths(shelf, batch.vectors)[-1]), 4), shortlist=DEEP, exact=HITS * EXACT_PER_HIT
    )
    return [*_thinned(chain), deepest]


def _contained(shelf: Shelf, dim: int, lists: IntArray, near: FloatArray, batch: QuestionBatch) -> dict[int, float]:
    """By shortlist, the recall that its candidates allow, of the kind of question with the lowest."""
    count = min(DEEP, shelf.rows)
    places = shelf.candidates(batch.vectors, lists, near, count)
    hit = np.stack([(places == batch.true.ids[:, place, None]) for place in range(HITS)]).any(axis=0)
    hit &= places >= 0
    num_true = np.maximum((batch.true.ids >= 0).sum(axis=1), 1)
    found = np.cumsum(hit, axis=1) / num_true[:, None]
    return {k: batch.worst(found[:, min(k, count) - 1], bound=False)[1] for k in SHORTLISTS}


def _thinned(chain: Sequence[tuple[float, Setting]]) -> list[Setting]:
    """Few enough that picking the cheapest passing point does not overfit: at even steps of log(1 - recall)."""
    if len(chain) <= SURVIVORS:
        return [setting for _, setting in chain]
    lost = -np.log(np.maximum(1 - np.array([kept for kept, _ in chain]), SMALLEST_LOSS))
    steps = np.linspace(lost[0], lost[-1], SURVIVORS)
    chosen = sorted({int(np.searchsorted(lost, step)) for step in steps})
    return [chain[min(place, len(chain) - 1)][1] for place in chosen]


def _measured(shelf: Shelf, dim: int, setting: Setting, batch: QuestionBatch) -> Point:
    # Questions have positions, hits have ids of the index.
    ids = np.where(batch.own >= 0, batch.own + shelf.segments[0].first_id, NO_ID)
    found = shelf.search(batch.vectors, ShelfRequest(HITS, dim, setting, [one[one != NO_ID] for one in ids[:, None]]))
    means, low = batch.worst(recalls(found, batch.true, ids), bound=True)
    request, queries = ShelfRequest(HITS, dim, setting), batch.vectors[:: max(1, len(batch.vectors) // TIMED)]
    many = _seconds(lambda: shelf.search(queries, request)) / len(queries)
    ones = [queries[i : i + 1] for i in range(min(ONES, len(queries)))]
    one = _seconds(lambda: [shelf.search(single, request) for single in ones]) / len(ones)
    read = shelf.rows_in(shelf.route(batch.vectors, setting.depth)[0]) / (len(batch.vectors) * shelf.rows)
    return Point(
        setting=setting,
        recall=means,
        low=round(low, 5),
        rows_read=round(read, 5),
        ms_one=round(1000 * one, 4),
        ms_many=round(1000 * many, 4),
    )


def _smooth(points: Sequence[Point]) -> list[Point]:
    """Points with times fitted to rows read and shortlist: one noisy time must not decide which points are kept."""
    causes = np.array([[1.0, point.rows_read, point.setting.shortlist] for point in points])
    fitted = []
    for times in (np.array([point.ms_one for point in points]), np.array([point.ms_many for point in points])):
        # Relative errors, so that cheap and expensive points count the same.
        found = np.linalg.lstsq(causes / times[:, None], np.ones(len(times)), rcond=None)[0]
        fitted.append(np.maximum(causes @ found, times.min() / 2).round(4))
    return [
        point.model_copy(update={"ms_one": float(one), "ms_many": float(many)})
        for point, one, many in zip(points, *fitted, strict=True)
    ]


def _seconds(work: Callable[[], object]) -> float:
    """Wall clock of the quickest of a few rounds: other load on the machine can only add time."""
    spent = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return min(spent)
