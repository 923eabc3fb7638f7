"""A segment's rows on a graphics card, in half precision: the card reads every row, the CPU ranks the best few exactly.

faiss has no 4-bit codes on a card, so the ladder there has two rungs: a flat index in float16 gives candidates, and the
CPU's kernel ranks them by the stored rows.  So scores are the CPU's, and errors of half precision are corrected.

Not measured yet: `python -m evaluate.bench.index.gpu` measures it, where there is a card.
"""

import logging
import threading
from typing import Any

import numpy as np

from embed.encoder import FloatArray
from index.contracts import Hits
from index.faiss_library import Device, half_flat, use_gpu
from index.neighbours import unit_rows
from index.rungs.segment import Segment

logger = logging.getLogger(__name__)

# On a card bfloat16 alone lost 2 % of the ten best of 100,000 rows of width 1024, and float16 is eight times as fine:
# a true row that it ranks after the ten is close to them.
PER_HIT = 4
MOST_CANDIDATES = 2048  # faiss' limit on a card

CHUNK = 65_536  # rows that are sent at once: 100 MB at width 384

_card = threading.Lock()  # faiss' resources of a card are for one thread at a time


class GpuRows:
    """One segment's rows, of which a card finds the candidates.  Safe to search from several threads, one at a time."""

    def __init__(self, segment: Segment, half: Any) -> None:
        """`half` is a faiss inner-product index over the unit rows of the segment, in their order: see `placed`."""
        self._segment, self._half = segment, half

    def search(self, queries: FloatArray, k: int) -> Hits:
        """The k best for unit queries [q, D]; ids are the index's.  `unsuited` gives its limits."""
        count = min(PER_HIT * k, MOST_CANDIDATES, len(self._segment))
        with _card:
            _, candidates = self._half.search(np.ascontiguousarray(queries), count)
        return self._segment.exact(queries, candidates, queries.shape[1], k)


def unsuited(k: int, dim: int, width: int, filtered: bool) -> str | None:
    """Why the CPU answers a search although the rows are on a card; None where the card answers."""
    if dim != width:
        return f"the card has the rows only at dim {width}, not at {dim}"
    if filtered:
        return "faiss' flat index on a card has no filter"
    if PER_HIT * k > MOST_CANDIDATES:
        return f"the card gives at most {MOST_CANDIDATES // PER_HIT} hits, not {k}"
    return None


def placed(segment: Segment, device: Device) -> GpuRows | None:
    """The rows on the first card; None where the CPU's ladder searches them, which is logged if there is a card.

    Raises InputError where a card is required and there is none.
    """
    if not use_gpu(device):
        return None
    try:
        return GpuRows(segment, _on_card(segment))
    except RuntimeError as error:  # faiss' error for a full card
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
