"""Exact hits of one question, read a few rows at a time, so that the reader can stop for others."""

from collections.abc import Callable, Sequence

import numpy as np

from embed.encoder import FloatArray
from index.calibration.truth import SAME_SCORE
from index.contracts import NO_ID, Hits, IntArray
from index.kept import BITS, Kept
from index.neighbours import join
from index.rungs.segment import Segment

VALUES = 1 << 21  # that are read at once: 4 MB, in about a millisecond


def exact_hits(
    segments: Sequence[Segment],
    query: FloatArray,
    k: int,
    dim: int,
    kept: Sequence[Kept | None],
    hidden: IntArray,
    pause: Callable[[], None],
) -> Hits:
    """The k best of all rows that are `kept` and not `hidden` for one query [1, D]; `pause` is called between reads."""
    best = Hits(np.empty((1, 0), np.int64), np.empty((1, 0), np.float32))
    step = max(VALUES // dim // BITS, 1) * BITS
    for segment, some in zip(segments, kept, strict=True):
        for first in range(0, len(segment), step):
            pause()
            places = _places(segment, some, first, min(first + step, len(segment)))
            places = places[~np.isin(places + segment.first_id, hidden)] if hidden.size else places
            best = join([best, segment.exact(query, places[None], dim, k)], k)
    return join([best], k)


def load_loops(segments: Sequence[Segment]) -> None:
    """Load the compiled loop now, where one will be used: it takes a second, in which other threads wait."""
    for segment in segments:
        if segment.coded:
            width = segment.rows.shape[1]
            segment.exact(np.zeros((1, width), np.float32), np.full((1, 1), NO_ID), width, 1)


def share_found(found: Hits, true: Hits) -> float:
    """Share of one question's true hits that were found; 1 where there are none."""
    real = true.ids[0] != NO_ID
    if not real.any():
        return 1.0
    same = np.isin(found.ids[0], true.ids[0][real]) | (found.scores[0] >= true.scores[0][real].min() - SAME_SCORE)
    return min(1.0, float((same & (found.ids[0] != NO_ID)).sum() / real.sum()))


def _places(segment: Segment, kept: Kept | None, first: int, end: int) -> IntArray:
    """Positions from `first`, which is the first bit of a byte, to `end` of the rows that are kept."""
    if kept is None:
        return np.arange(first, end)
    bits = np.unpackbits(kept.bits[first // BITS : -(-end // BITS)], count=end - first, bitorder="little")
    return np.flatnonzero(bits) + first
