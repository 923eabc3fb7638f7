"""A segment's rows on a graphics card, in half precision: every row is read there, the best few ranked exactly here.

faiss has no 4-bit codes on a card, so the ladder there has two rungs: a flat index in float16 gives candidates, and the
CPU's kernel ranks them by the stored rows.  So scores are the CPU's, and what half precision mixes up is put right.

Not measured yet: `python -m evaluate.bench.index.gpu` does so, where there is a card.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from embed.encoder import FloatArray
from index.building.choose import MOST_CANDIDATES, PER_HIT
from index.calibration.calibrate import lower_bound
from index.calibration.questions import Questions
from index.calibration.truth import recalls, true_nearest
from index.contracts import NO_ID, Hits
from index.faiss_library import Device, half_flat, use_gpu
from index.ladder import Point, Setting
from index.neighbours import unit_rows
from index.rungs.segment import Segment

logger = logging.getLogger(__name__)

CHUNK = 65_536  # rows that are sent at once: 100 MB at width 384
ALL_LISTS = 1e3  # a depth that leaves no list out
HITS, ONES = 10, 64  # what a point is measured with

_card = threading.Lock()  # faiss' resources of a card serve one thread at a time


class GpuRows:
    """One segment's rows, of which a card finds the candidates.  Safe to search from several threads, in turn."""

    def __init__(self, segment: Segment, half: Any) -> None:
        """`half` is a faiss inner-product index over the unit rows of the segment, in their order: see `placed`."""
        self._segment, self._half = segment, half

    def search(self, queries: FloatArray, k: int) -> Hits:
        """The k best for unit queries [q, D]; ids are the index's.  `unsuited` says what it cannot do."""
        count = min(PER_HIT * k, MOST_CANDIDATES, len(self._segment))
        with _card:
            _, candidates = self._half.search(np.ascontiguousarray(queries), count)
        return self._segment.exact(queries, candidates, queries.shape[1], k)

    def measured(self, asked: Sequence[Questions]) -> Point:
        """The only point of a card's curve: recall@10 by kind of question, and times by the clock."""
        shares = {questions.kind: self._recalls(questions) for questions in asked}
        every = np.vstack([questions.vectors for questions in asked])
        ones = [_ms(partial(self.search, query[None], HITS)) for query in every[:ONES]]
        return Point(
            setting=Setting(depth=ALL_LISTS, shortlist=PER_HIT * HITS, exact=PER_HIT * HITS),
            recall={kind: round(float(found.mean()), 5) for kind, found in shares.items()},
            low=min(map(lower_bound, shares.values())),
            rows_read=1.0,
            ms_one=median(ones),
            ms_many=_ms(partial(self.search, every, HITS)) / len(every),
        )

    def _recalls(self, questions: Questions) -> FloatArray:
        # One more than is counted: the row that a question was made from is no answer.
        found, first = self.search(questions.vectors, HITS + 1), self._segment.first_id
        places = np.where(found.ids == NO_ID, NO_ID, found.ids - first)
        width = questions.vectors.shape[1]
        true = true_nearest(questions.vectors, self._segment.rows, HITS, width, questions.own)
        return recalls(Hits(places, found.scores), true, questions.own)


def placed(segment: Segment, device: Device) -> GpuRows | None:
    """The rows on the first card; None where the CPU's ladder searches them, which is logged if a card was there.

    Raises InputError where a card is demanded and there is none.
    """
    if not use_gpu(device):
        return None
    try:
        return GpuRows(segment, _on_card(segment))
    except RuntimeError as error:  # faiss' word for a full card
        reason = " ".join(str(error).split())
        logger.warning(
            "%d %s rows do not fit the card, so the CPU searches them (%s)", len(segment), segment.modality, reason
        )
        return None


def _on_card(segment: Segment) -> Any:
    """faiss' flat index in float16 over the segment's unit rows.  Raises RuntimeError where the card is too small."""
    width = segment.rows.shape[1]
    with _card:
        half = half_flat(width)
        for first in range(0, len(segment), CHUNK):
            half.add(np.ascontiguousarray(unit_rows(segment.rows[first : first + CHUNK], width)))
    return half


def _ms(way: Callable[[], object]) -> float:
    """By the clock, once more than it counts: the first time pays for what is kept."""
    way()
    began = time.perf_counter()
    way()
    return (time.perf_counter() - began) * 1000
