"""Tables of a shelf for the search in one call: lists in 8 bits, and the addresses of what the segments hold.

Compiled loops do not look where they read: `index.rungs.lists` checks a segment's lists, `mismatch` that parts belong
together, when they are opened; what comes with a search is checked at the search.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray
from index.contracts import Hits, IntArray
from index.ladder import Setting
from index.rungs.coder import Coder
from index.rungs.lists import SIZE
from index.rungs.segment import Segment

LARGEST = 127  # of a signed 8-bit value
ROUTER, MIDDLES = 0, 1  # of rows in 8 bits [2, L, D]
ROUTER_SCALE, BIAS, LOG_SIZE, MIDDLE_SCALE = 0, 1, 2, 3  # of numbers [4, L]
ROWS, FIRST_ID, ROWS_8, SCALES, ROWS_16 = 0, 1, 2, 3, 4  # of a segment [5]: two numbers, three addresses
STAGES = ("route", "scan", "rank", "exact")


class Tables:
    """What `index.rungs.one_call` reads; it lives no longer than the segments do.  Safe to use from several threads."""

    def __init__(
        self,
        segments: Sequence[Segment],
        coder: Coder,
        weights: FloatArray,
        bias: FloatArray,
        sizes: IntArray | None = None,
    ) -> None:
        """The router's weights [L, D] and bias [L] are of `index.rungs.router`.

        `sizes` [L] are the rows of each list by which lists are chosen; None: those of the segments.
        """
        self._segments = tuple(segments)  # which own what the addresses name
        pairs = [_in_8_bits(weights), _in_8_bits(coder.middles(weights.shape[1]))]
        self.lists = np.stack([one.list_table for one in segments])
        rows = np.maximum(self.lists[:, SIZE].sum(axis=0) if sizes is None else sizes, 1)
        self.list_rows = np.stack([rows_8 for rows_8, _ in pairs])
        self.list_numbers = np.stack([pairs[0][1], bias, np.log(rows), pairs[1][1]]).astype(np.float32)
        points = coder.codebook * coder.gains[:, None, None]
        self.points = np.ascontiguousarray(points.transpose(0, 2, 1), np.float32)
        self.order = np.ascontiguousarray(coder.order, np.int64)
        self.width, self.code_dim = weights.shape[1], len(coder.order)
        self.segments = np.array([one.addresses() for one in segments], np.int64)
        self._no_bits = np.zeros(len(segments), np.int64)
        self._whole = np.zeros(coder.lists, np.float32)
        from index.rungs import one_call  # takes a second to load, and a small index needs none of it

        self._search = one_call.search

    def search(
        self,
        queries: FloatArray,
        dim: int,
        setting: Setting,
        count: int,
        kept: Sequence[NDArray[np.uint8] | None] | None,
        log_kept: FloatArray | None = None,
        slope: float = 0.0,
    ) -> tuple[Hits, NDArray[np.float64]]:
        """The `count` best for queries [q, D], and what it took [7]: seconds of each of STAGES, then rows scanned,
        ranked, compared exactly.

        `kept` has for each segment the bits of the rows that may be hits, the lowest of a byte first; None: all may.
        `log_kept` [L], 0 where None, and `slope` are those of `index.rungs.kernels.route`.
        """
        share = self._whole if log_kept is None else np.ascontiguousarray(log_kept)
        if share.shape != self._whole.shape or share.dtype != np.float32:
            raise ValueError(f"shares of {len(self._whole)} lists are float32, not {share.dtype} {share.shape}")
        if queries.shape[1:] != (self.width,) or queries.dtype != np.float32 or not 0 < dim <= self.width:
            raise ValueError(
                f"queries of width {self.width} are float32, not {queries.dtype} {list(queries.shape)} at {dim}"
            )
        queries = np.ascontiguousarray(queries)
        bitmaps = self._no_bits if kept is None else self._bitmaps(kept)
        ids, scores = np.empty((len(queries), count), np.int64), np.empty((len(queries), count), np.float32)
        spent = np.empty(len(STAGES) + 3)
        least = max(setting.shortlist, count), max(setting.exact, count)
        self._search(
            *(self.list_rows, self.list_numbers, self.points, self.order, self.lists, self.segments, bitmaps),
            *(queries, dim, share, setting.depth, slope, *least, ids, scores, spent),
        )
        return Hits(ids, scores), spent

    def _bitmaps(self, kept: Sequence[NDArray[np.uint8] | None]) -> IntArray:
        """The address of each segment's bits [S], or 0."""
        addresses = np.zeros(len(self.segments), np.int64)
        for place, bits in enumerate(kept):
            if bits is not None:
                rows = len(self._segments[place])
                if bits.dtype != np.uint8 or bits.shape != ((rows + 7) // 8,) or not bits.flags.c_contiguous:
                    raise ValueError(
                        f"bits of {rows} rows are uint8 [{(rows + 7) // 8}], not {bits.dtype} {bits.shape}"
                    )
                addresses[place] = bits.ctypes.data
        return addresses


def mismatch(segments: Sequence[Segment], coder: Coder, router: FloatArray | None) -> str | None:
    """Why these parts are no shelf; None where they are.  `router` [L, D + 1]."""
    lists, code_dim, groups = coder.lists, len(coder.order), len(coder.codebook)
    for one in segments:
        if not one.coded:
            return "rows without codes and a coder"
        codes, width = one.codes, one.rows.shape[1]
        if (codes.nlist, codes.d, codes.M) != (lists, code_dim, groups):
            found = codes.nlist, codes.d, codes.M
            return f"codes of {found} lists, dims and groups, a coder of {lists, code_dim, groups}"
        if code_dim and not 0 <= coder.order.min() <= coder.order.max() < width:
            return f"a coder of dims {coder.order.min()} to {coder.order.max()}, rows of {width} dims"
        if router is not None and (router.shape != (lists, width + 1) or not np.isfinite(router).all()):
            return f"a router of shape {list(router.shape)}, {lists} lists of rows of {width} dims"
    return None


def _in_8_bits(rows: FloatArray) -> tuple[NDArray[np.int8], FloatArray]:
    """Rows [n, D] as int8, and the value of 1 in each [n]."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-30).astype(np.float32) / LARGEST
    return np.rint(rows / scales[:, None]).astype(np.int8), scales
