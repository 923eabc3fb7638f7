"""What scores mean when speech and text are merged, and what the shortlist loses; both measured at build time.

Cosines to speech rows and to text rows cannot be compared: the two sit apart in the space, and the asker's own modality
decides which is nearer.  A calibrated score is a z-score, made in two steps:

1. against the background: the asker's cosines to a fixed sample of the modality's rows give a mean and a deviation,
   and the cosine is measured in these.  This removes what depends on the asker (typed or spoken, near or far).
2. against the usual best: the same number for the ten best answers to held-out queries gives a mean and a deviation,
   and is measured in these.  This removes what depends on the modality (spread, number of rows).

So 0 says "as far above the background as this modality's best ten usually are", and 1 a deviation better.  Within one
query and one modality the order is that of the cosines.  Held-out queries are rows of both modalities in equal number;
rows of their own document or recording are no answers to them, since neighbouring windows overlap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray
from index.artifact import Calibration, TopScores
from index.contracts import Hits, IntArray
from index.neighbours import Mask, scan, unit_rows
from index.segment import Segment

BACKGROUND_ROWS = 512
QUERIES_PER_MODALITY = 128
BEST = 10
# Cosines closer together than this are one value: a background of equal rows must not blow scores up.
SMALLEST_DEVIATION = 1e-3
SAME_SCORE = 1e-5


class Background:
    """A fixed sample of one modality's rows, to which a query's cosines are compared."""

    def __init__(self, rows: NDArray[Any]) -> None:
        """Of all the modality's rows [n, D]; rows are ordered by a hash, so that even steps are a random sample."""
        self._sample = np.asarray(rows[spread(len(rows), BACKGROUND_ROWS)])

    def standardise(self, queries: FloatArray, scores: FloatArray, dim: int) -> FloatArray:
        """Cosines [q, k] in deviations above each query's mean cosine to the sample; -inf stays."""
        cosines = unit_rows(queries, dim) @ unit_rows(self._sample, dim).T
        mean = cosines.mean(axis=1, keepdims=True)
        deviation = np.maximum(cosines.std(axis=1, keepdims=True), SMALLEST_DEVIATION)
        standard: FloatArray = (scores - mean) / deviation
        return standard


def calibrated(standard: FloatArray, usual: TopScores) -> FloatArray:
    """Second step: standardised cosines in deviations above the usual best."""
    return ((standard - usual.mean) / usual.std).astype(np.float32)


@dataclass(frozen=True)
class Sources:
    """Which document or recording each row of a segment comes from, as a number; equal numbers, equal source."""

    numbers: Mapping[str, IntArray]  # by modality, [n]


@dataclass(frozen=True)
class _HeldOut:
    """Rows of both modalities used as queries."""

    vectors: FloatArray  # [q, D]
    ids: IntArray  # [q]
    sources: IntArray  # [q]


def calibrate(segments: Sequence[Segment], sources: Sources, dims: Sequence[int], depth: int) -> dict[str, Calibration]:
    """Calibration of each segment's modality."""
    held_out = _held_out(segments, sources)
    return {
        segment.modality: Calibration(
            top_scores={dim: _usual_best(segment, sources, held_out, dim) for dim in dims},
            recall_at_10=recall(segment, held_out.vectors, held_out.ids, depth),
            depth=depth,
            queries=len(held_out.ids),
        )
        for segment in segments
    }


def recall(segment: Segment, queries: FloatArray, own_ids: IntArray, depth: int) -> float:
    """Mean share of the exact ten best, the query's own row aside, that shortlist and rank find at full width.

    A row that scores as the tenth does counts as one of the ten: equal rows are equal answers.
    """
    dim = segment.rows.shape[1]
    exact = scan(queries, segment.rows, BEST, dim, _own_row(own_ids - segment.first_id))
    found, _ = segment.search(queries, BEST, dim, depth, list(own_ids[:, None]))
    wanted = np.isfinite(exact.scores).sum(axis=1)
    last = np.where(np.isfinite(exact.scores), exact.scores, np.inf).min(axis=1, keepdims=True)
    right = (found.scores >= last - SAME_SCORE).sum(axis=1)
    some = wanted > 0
    return round(float((right[some] / wanted[some]).mean()), 4) if some.any() else 1.0


def spread(n: int, count: int, shift: float = 0.0) -> IntArray:
    """Up to `count` distinct positions below n at even steps, `shift` of a step in."""
    count = min(n, count)
    return ((np.arange(count) + shift) * n / max(1, count)).astype(np.int64)


def _held_out(segments: Sequence[Segment], sources: Sources) -> _HeldOut:
    # Half a step away from the background's rows.
    chosen = [(segment, spread(len(segment.rows), QUERIES_PER_MODALITY, shift=0.5)) for segment in segments]
    return _HeldOut(
        np.vstack([np.asarray(segment.rows[at], np.float32) for segment, at in chosen]),
        np.hstack([at + segment.first_id for segment, at in chosen]),
        np.hstack([sources.numbers[segment.modality][at] for segment, at in chosen]),
    )


def _usual_best(segment: Segment, sources: Sources, held_out: _HeldOut, dim: int) -> TopScores:
    numbers = sources.numbers[segment.modality]
    best = scan(held_out.vectors, segment.rows, BEST, dim, _own_source(held_out.sources, numbers))
    if not np.isfinite(best.scores).any():  # The modality is one single document: its other rows must do.
        best = scan(held_out.vectors, segment.rows, BEST, dim, _own_row(held_out.ids - segment.first_id))
    return _mean_and_deviation(Background(segment.rows), held_out.vectors, best, dim)


def _mean_and_deviation(background: Background, queries: FloatArray, best: Hits, dim: int) -> TopScores:
    standard = background.standardise(queries, best.scores, dim)
    values = standard[np.isfinite(standard)]
    if len(values) < 2:
        return TopScores(mean=0.0, std=1.0)
    deviation = max(float(values.std()), SMALLEST_DEVIATION)
    return TopScores(mean=round(float(values.mean()), 4), std=round(deviation, 4))


def _own_row(positions: IntArray) -> Mask:
    def mask(scores: FloatArray, first: int) -> None:
        here = np.flatnonzero((positions >= first) & (positions < first + scores.shape[1]))
        scores[here, positions[here] - first] = -np.inf

    return mask


def _own_source(of_queries: IntArray, of_rows: IntArray) -> Mask:
    def mask(scores: FloatArray, first: int) -> None:
        scores[of_queries[:, None] == of_rows[first : first + scores.shape[1]]] = -np.inf

    return mask
