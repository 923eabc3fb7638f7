"""Listing: how the rows that may be hits lie to the lists, which decides the lists that a search reads under a filter.

A list's share of the answers shrinks with the rows in it that may be hits, and grows with the rows that were appended
to it.  One listing is made for a filter and kept while the filter is in use, so that no question counts rows.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embed.encoder import FloatArray
from index.contracts import IntArray
from index.kept import Kept

LISTINGS = 16
NOTHING = -1e9  # logarithm of the share of a list without a row that may be a hit; adding to it stays finite


@dataclass(frozen=True, eq=False)
class Listing:
    rows: int  # stored
    hits: int  # that may be hits
    log_kept: FloatArray  # [L], logarithm of rows that may be hits over rows when the curves were measured
    plain: bool  # every list has as many rows that may be hits as when the curves were measured
    growth: float  # rows now, over rows when the curves were measured
    uneven: float  # 0: spread over the lists as the rows were when measured; 1: only in lists that had no row
    stored: int  # rows in lists with a row that may be a hit: no search reads more
    lists: int  # the number of these lists


def without_lists(rows: int, hits: int) -> Listing:
    """Of rows that are in no lists, of which so many may be hits."""
    nothing = np.empty(0, np.float32)
    return Listing(rows, hits, nothing, plain=rows == hits, growth=1.0, uneven=0.0, stored=rows, lists=0)


class Listings:
    """The listings of one shelf; safe to use from several threads."""

    def __init__(self, sizes: Sequence[IntArray], measured: IntArray | None, whole: IntArray | None = None) -> None:
        """`sizes` [L] of each segment, `measured` [L] when the curves were measured; None: as now.

        `whole` [L] are the rows of all shards, where the segments are those of one: the others' may not be hits.
        """
        self._sizes, self._measured = list(sizes), measured
        self.now: IntArray = np.sum(self._sizes, axis=0) if whole is None else whole
        self._made: OrderedDict[tuple[int, ...], tuple[Sequence[Kept | None], Listing]] = OrderedDict()
        self._lock = threading.Lock()
        self._all = self.listing(self.may(None)) if sizes else None

    def of(self, kept: Sequence[Kept | None] | None) -> Listing:
        """Of a shelf with lists; `kept` as in `index.rungs.shelf.ShelfRequest`."""
        if kept is None or all(one is None for one in kept):
            assert self._all is not None
            return self._all
        key = tuple(map(id, kept))
        with self._lock:
            if key not in self._made:
                self._made[key] = (
                    kept,
                    self.listing(self.may(kept)),
                )  # with the rows themselves: an id may be used again
            self._made.move_to_end(key)
            while len(self._made) > LISTINGS:
                self._made.popitem(last=False)
            return self._made[key][1]

    def may(self, kept: Sequence[Kept | None] | None) -> IntArray:
        """Rows of each list [L] that may be hits."""
        some = [None] * len(self._sizes) if kept is None else kept
        counts = [n if one is None else one.by_list(n) for one, n in zip(some, self._sizes, strict=True)]
        found: IntArray = np.sum(counts, axis=0)
        return found

    def listing(self, may: IntArray) -> Listing:
        """The listing of all shards together, where so many rows of each list [L] may be hits."""
        now = self.now
        measured = now if self._measured is None else self._measured
        with np.errstate(divide="ignore"):
            log_kept = np.maximum(np.log(may) - np.log(np.maximum(measured, 1)), NOTHING)
        log_kept[may == measured] = 0
        rows, hits, before = (max(int(part.sum()), 1) for part in (now, may, measured))
        return Listing(
            rows=int(now.sum()),
            hits=int(may.sum()),
            log_kept=log_kept.astype(np.float32),
            plain=bool(np.array_equal(may, measured)),
            growth=rows / before,
            uneven=float(np.abs(may / hits - measured / before).sum() / 2),
            stored=int(now[may > 0].sum()),
            lists=int((may > 0).sum()),
        )
