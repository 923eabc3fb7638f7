"""Kept rows of a segment: those that may be hits, as a bitmap that is made once for a filter and a version.

A search that is handed one reads the bitmap only where it reads rows: nothing is counted or packed for a question.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from index.contracts import IntArray, Mask

BITS = 8


class Kept:
    """Which of a segment's rows may be hits.  Safe to use from several threads."""

    def __init__(self, mask: Mask) -> None:
        self.rows = len(mask)
        self.bits: NDArray[np.uint8] = np.packbits(mask, bitorder="little")  # row i is bit i % 8 of byte i // 8
        self.count = int(np.count_nonzero(mask))
        self._by_list: IntArray | None = None

    def __len__(self) -> int:
        return self.rows

    def mask(self) -> Mask:
        """[n], made anew."""
        return np.unpackbits(self.bits, count=self.rows, bitorder="little").view(np.bool_)

    def has(self, place: int) -> bool:
        """Whether the row at this position is kept."""
        return bool(self.bits[place // 8] >> (place % 8) & 1)

    @cached_property
    def places(self) -> IntArray:
        """Positions of the kept rows, ascending."""
        return np.flatnonzero(self.mask())

    def by_list(self, sizes: IntArray) -> IntArray:
        """Kept rows in each list [L] of a segment with lists of these sizes, whose rows are ordered by list."""
        if self._by_list is None:
            before = np.concatenate([[0], np.cumsum(self.mask(), dtype=np.int64)])
            ends = np.cumsum(sizes)
            self._by_list = before[ends] - before[ends - sizes]
        return self._by_list


def kept_rows(masks: Sequence[Mask | None]) -> list[Kept | None]:
    """For each segment its kept rows; None where all are."""
    return [None if mask is None or mask.all() else Kept(mask) for mask in masks]


def num_kept(kept: Sequence[Kept | None] | None, rows: Sequence[int]) -> int:
    """Number of rows that may be hits, of segments with these `rows`."""
    if kept is None:
        return sum(rows)
    return sum(number if one is None else one.count for one, number in zip(kept, rows, strict=True))
