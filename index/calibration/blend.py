"""Calibrated scores, by which speech and text are merged; measured at build time.

Cosines to speech rows and to text rows cannot be compared: the two are apart in the space, and the query's modality
decides which is nearer.  A calibrated score is a z-score, computed in two steps:

1. against the background: the query's cosines to a fixed sample of the modality's rows give a mean and a deviation, and
   the cosine is expressed in these.  This removes what depends on the query (typed or spoken, near or far).
2. against the usual best: the same number for the ten best answers to held-out queries gives a mean and a deviation,
   and the number is expressed in these.  This removes what depends on the modality (spread, number of rows).

So 0 means "as far above the background as this modality's ten best usually are", and 1 one deviation better.  Within
one query and one modality the order is that of the cosines.  Held-out queries are rows of both modalities in equal
number; rows of their own document or recording are no answers to them, since neighbouring windows overlap.

A mean and a deviation of a few rows mean nothing: where a modality has fewer rows than FEWEST_ROWS, the scores are
cosines without the gap between the modalities (`without_gap`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pyarrow as pa

from embed.encoder import FloatArray, truncate
from index.contracts import Hits, IntArray
from index.neighbours import HideRows, scan, spread, unit_rows
from index.parts.artifact import TopScores
from index.rungs.segment import Segment

BACKGROUND_ROWS = 512
QUERIES_PER_MODALITY = 128
BEST = 10
FEW = 4  # queries; more are multiplied as matrices
# Cosines closer than this are one value: a background of equal rows must not make scores huge.
SMALLEST_DEVIATION = 1e-3
# Of each modality, for z-scores.  Mean reciprocal rank of the answer among speech and text of the demo, by z-scores and
# `without_gap`: 4 rows each .80 and .89, 8 each .75 and .79, 16 each .72 and .74, 32 each .62 and .62; 100 of speech
# and 8 of text .52 and .64, 16 .60 and .64, 32 .57 and .59; 8 of speech and 100 of text .54 and .61, 16 .57 and .58,
# 32 .57 and .54 (NOTES, 2026-11-30).
FEWEST_ROWS = 32


class Background:
    """A fixed sample of one modality's rows, to which a query's cosines are compared."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        """The sample is taken at even steps over all segments of the modality."""
        total = sum(map(len, segments))
        at, first, parts = spread(total, BACKGROUND_ROWS, shift=0.0), 0, []
        for segment in segments:
            here = at[(at >= first) & (at < first + len(segment))] - first
            parts.append(np.asarray(segment.rows[here], np.float32))
            first += len(segment)
        self._sample = np.vstack(parts)
        self._units: dict[int, FloatArray] = {}  # by dim: renormalising the sample costs more than a search

    def cosines(self, queries: FloatArray, dim: int) -> FloatArray:
        """[q, rows of the sample], for queries [q, D] of unit length at `dim`."""
        found: FloatArray = queries[:, :dim] @ self._unit_rows(dim).T
        return found

    def standardise(self, queries: FloatArray, scores: FloatArray, dim: int) -> FloatArray:
        """Cosines [q, k] in deviations above the mean cosine to the sample; -inf stays.  Queries as for `cosines`."""
        cosines = self.cosines(queries, dim)
        mean, deviation = cosines.mean(axis=1, keepdims=True), cosines.std(axis=1, keepdims=True)
        standard: FloatArray = (scores - mean) / np.maximum(deviation, SMALLEST_DEVIATION)
        return standard

    def calibrate(
        self, queries: FloatArray, scores: FloatArray, dim: int, usual: TopScores, compiled: bool
    ) -> FloatArray:
        """Both steps; `compiled` is quicker for a few queries, after a second to load."""
        if not compiled or len(queries) > FEW:
            return calibrated(self.standardise(queries, scores, dim), usual)
        from index.calibration import kernels

        found = np.empty(scores.shape, np.float32)
        kernels.calibrate(queries, self._unit_rows(dim), SMALLEST_DEVIATION, usual.mean, usual.std, scores, found)
        return found

    def _unit_rows(self, dim: int) -> FloatArray:
        if dim not in self._units:
            self._units[dim] = unit_rows(self._sample, dim)
        return self._units[dim]


def calibrated(standard: FloatArray, usual: TopScores) -> FloatArray:
    """Second step: standardised cosines in deviations above the usual best."""
    return ((standard - usual.mean) / usual.std).astype(np.float32)


def without_gap(scores: Sequence[FloatArray], cosines: Sequence[FloatArray], rows: Sequence[int]) -> list[FloatArray]:
    """Cosines [q, k] of each modality above what its best would be if it held no answer; -inf stays.

    That is the query's mean cosine to the modality's rows, and by chance more for the best of many `rows`.  Both are
    taken from `cosines` [q, n] without the best, which may be the answer; a mean counts by its rows, and the mean of
    all modalities as one row more: a single row is no background of its own.
    """
    others = [np.sort(one, axis=1)[:, :-1] for one in cosines]
    known = [one for one in others if one.shape[1]]
    overall = np.mean([one.mean(axis=1) for one in known], axis=0) if known else np.zeros(len(cosines[0]))
    deviation = np.sqrt(np.mean([one.var(axis=1) for one in known], axis=0)) if known else overall
    usual = [
        (one.sum(axis=1) + overall) / (one.shape[1] + 1) + deviation * _best_of(count)
        for one, count in zip(others, rows, strict=True)
    ]
    return [(one - best[:, None]).astype(np.float32) for one, best in zip(scores, usual, strict=True)]


def _best_of(count: int) -> float:
    """Expected largest of so many normal deviates, to 0.03 (Blom 1958)."""
    count = max(count, 1)
    return NormalDist().inv_cdf((count - 0.375) / (count + 0.25))


@dataclass(frozen=True)
class SourcedSegment:
    """One modality's segment, with the source of each row; its rows serve as held-out queries."""

    segment: Segment
    sources: IntArray  # [n], equal numbers for rows of the same recording or document


@dataclass(frozen=True)
class _HeldOut:
    """Rows of all modalities, used as queries."""

    vectors: FloatArray  # [q, D]
    ids: IntArray  # [q]
    sources: IntArray  # [q]


def top_scores(sourced: Sequence[SourcedSegment], dims: Sequence[int]) -> dict[str, dict[int, TopScores]]:
    """By modality and dim, of an index with one segment for each modality."""
    held_out = _held_out(sourced)
    return {one.segment.modality: {dim: _usual_best(one, held_out, dim) for dim in dims} for one in sourced}


def source_numbers(provenance: Sequence[pa.Table]) -> list[IntArray]:
    """For each modality [n], equal for rows of the same recording or document: same asset, and same item in it."""
    together = pa.concat_tables(provenance)
    assets, items = (_codes(together[name]) for name in ("asset_id", "item"))
    numbers = assets * (int(items.max(initial=0)) + 1) + items
    return np.split(numbers, np.cumsum([table.num_rows for table in provenance])[:-1])


def _codes(column: pa.ChunkedArray) -> IntArray:
    """[n]: a number for each distinct value; null is one of them."""
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    codes: IntArray = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _held_out(sourced: Sequence[SourcedSegment]) -> _HeldOut:
    # Half a step away from the background's rows.
    chosen = [(one, spread(len(one.segment), QUERIES_PER_MODALITY)) for one in sourced]
    return _HeldOut(
        np.vstack([np.asarray(one.segment.rows[at], np.float32) for one, at in chosen]),
        np.hstack([at + one.segment.first_id for one, at in chosen]),
        np.hstack([one.sources[at] for one, at in chosen]),
    )


def _usual_best(sourced: SourcedSegment, held_out: _HeldOut, dim: int) -> TopScores:
    segment = sourced.segment
    best = scan(held_out.vectors, segment.rows, BEST, dim, _own_source(held_out.sources, sourced.sources))
    if not np.isfinite(best.scores).any():  # The modality has only one document: its other rows are the answers.
        best = scan(held_out.vectors, segment.rows, BEST, dim, _own_row(held_out.ids - segment.first_id))
    return _mean_and_deviation(Background([segment]), held_out.vectors, best, dim)


def _mean_and_deviation(background: Background, queries: FloatArray, best: Hits, dim: int) -> TopScores:
    standard = background.standardise(truncate(queries, dim), best.scores, dim)
    values = standard[np.isfinite(standard)]
    if len(values) < 2:
        return TopScores(mean=0.0, std=1.0)
    deviation = max(float(values.std()), SMALLEST_DEVIATION)
    return TopScores(mean=round(float(values.mean()), 4), std=round(deviation, 4))


def _own_row(positions: IntArray) -> HideRows:
    def mask(scores: FloatArray, first: int) -> None:
        here = np.flatnonzero((positions >= first) & (positions < first + scores.shape[1]))
        scores[here, positions[here] - first] = -np.inf

    return mask


def _own_source(of_queries: IntArray, of_rows: IntArray) -> HideRows:
    def mask(scores: FloatArray, first: int) -> None:
        scores[of_queries[:, None] == of_rows[first : first + scores.shape[1]]] = -np.inf

    return mask
