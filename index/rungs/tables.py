"""Tables of a shelf for the search in one call: lists in 8 bits, and the addresses of what the segments hold.

Segments and coder were checked when they were opened, so what a table names can be read without looking.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray
from index.contracts import Hits, IntArray
from index.ladder import Setting
from index.rungs.coder import Coder
from index.rungs.segment import Segment

LARGEST = 127  # of a signed 8-bit value
ROUTER, MIDDLES = 0, 1  # of rows in 8 bits [2, L, D]
ROUTER_SCALE, BIAS, LOG_SIZE, MIDDLE_SCALE = 0, 1, 2, 3  # of numbers [4, L]
ROWS, FIRST_ID, ROWS_8, SCALES, ROWS_16 = 0, 1, 2, 3, 4  # of a segment [5]: two numbers, three addresses
STAGES = ("route", "scan", "rank", "exact")


class Tables:
    """What `index.rungs.one_call` reads; it lives no longer than the segments do.  Safe to use from several threads."""

    def __init__(self, segments: Sequence[Segment], coder: Coder, weights: FloatArray, bias: FloatArray) -> None:
        """The router's weights [L, D] and bias [L] are of `index.rungs.router`."""
        self._segments = tuple(segments)  # which own what the addresses name
        pairs = [_in_8_bits(weights), _in_8_bits(coder.middles(weights.shape[1]))]
        self.lists = np.stack([one.list_table for one in segments])
        rows = np.maximum(self.lists[:, 1].sum(axis=0), 1)
        self.list_rows = np.stack([rows_8 for rows_8, _ in pairs])
        self.list_numbers = np.stack([pairs[0][1], bias, np.log(rows), pairs[1][1]]).astype(np.float32)
        points = coder.codebook * coder.gains[:, None, None]
        self.points = np.ascontiguousarray(points.transpose(0, 2, 1), np.float32)
        self.order = np.ascontiguousarray(coder.order, np.int64)
        self.code_dim = len(coder.order)
        self.segments = np.array([one.addresses() for one in segments], np.int64)

    def search(
        self,
        queries: FloatArray,
        dim: int,
        setting: Setting,
        count: int,
        kept: Sequence[NDArray[np.uint8] | None] | None,
    ) -> tuple[Hits, NDArray[np.float64]]:
        """The `count` best for queries [q, D], and what it took [7]: seconds of each of STAGES, then rows scanned,
        ranked, compared exactly.

        `kept` has for each segment the bits of the rows that may be hits, the lowest of a byte first; None: all may.
        """
        from index.rungs import one_call

        bitmaps = self._bitmaps(kept)
        ids, scores = np.empty((len(queries), count), np.int64), np.empty((len(queries), count), np.float32)
        spent = np.empty(len(STAGES) + 3)
        one_call.search(
            self.list_rows, self.list_numbers, self.points, self.order, self.lists, self.segments, bitmaps,
            queries, dim, setting.depth, max(setting.shortlist, count), max(setting.exact, count), ids, scores, spent,
        )  # fmt: skip
        return Hits(ids, scores), spent

    def _bitmaps(self, kept: Sequence[NDArray[np.uint8] | None] | None) -> IntArray:
        """The address of each segment's bits [S], or 0."""
        addresses = np.zeros(len(self.segments), np.int64)
        for place, bits in enumerate(kept or ()):
            if bits is not None:
                rows = len(self._segments[place])
                if bits.dtype != np.uint8 or bits.shape != ((rows + 7) // 8,) or not bits.flags.c_contiguous:
                    raise ValueError(f"bits of {rows} rows are uint8 [{(rows + 7) // 8}], not {bits.dtype} {bits.shape}")
                addresses[place] = bits.ctypes.data
        return addresses


def _in_8_bits(rows: FloatArray) -> tuple[NDArray[np.int8], FloatArray]:
    """Rows [n, D] as int8, and the value of 1 in each [n]."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-30).astype(np.float32) / LARGEST
    return np.rint(rows / scales[:, None]).astype(np.int8), scales
