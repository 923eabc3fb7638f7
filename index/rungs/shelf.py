"""Shelf: all segments of one modality, searched as one: route, scan, rank, exact; or every row.

Shapes: q queries, L lists, k places, D full width.  Ids are the index's.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from embed.encoder import FloatArray
from index.contracts import NO_ID, Hits, IntArray, StageCost
from index.faiss_library import library
from index.kept import Kept, num_kept
from index.ladder import Curve, Setting
from index.neighbours import join, unit_rows
from index.rungs.coder import Coder
from index.rungs.cost import Cost
from index.rungs.listing import Listing, Listings
from index.rungs.segment import Segment
from index.rungs.tables import STAGES, Tables

# Queries.  On a CPU with AVX2 one call took 0.55 times the CPU time of faiss' stages for one query, 0.6 for eight
# together, 0.8 to 1.0 for 256; on one with AVX-512 nothing was measured, so batches stay with faiss.
ONE_CALL = 32
FLOAT32_BYTES, FLOAT16_BYTES, INT8_BYTES = 4, 2, 1
TIMED = 16  # searches, to learn the pace of this machine


@dataclass(frozen=True)
class ShelfRequest:
    """Request of one search of a shelf."""

    k: int
    dim: int
    setting: Setting | None  # None: read every row
    hidden: Sequence[IntArray] | None = None  # for each query, ids that may not be hits
    kept: Sequence[Kept | None] | None = None  # for each segment the rows that may be hits; None: all
    on_card: bool = False  # every row, on a graphics card
    slope: float = 0.0  # more depth for each e times fewer answers that may be hits: `index.rungs.kernels.route`
    listing: Listing | None = None  # of all shards of an index, by which lists are chosen; None: of these segments

    def of(self, queries: slice) -> "ShelfRequest":
        """The same for some of the queries."""
        hidden = None if self.hidden is None else self.hidden[queries]
        return replace(self, hidden=hidden)


Record = Callable[[StageCost], None]


class Card(Protocol):
    """A segment's rows on a graphics card."""

    def search(self, queries: FloatArray, k: int) -> Hits:
        """The k best for unit queries [q, D]; ids are the index's."""


class Shelf:
    """Opened segments, with their shared coder, router and curves.  Safe to search from several threads."""

    def __init__(
        self,
        modality: str,
        segments: Sequence[Segment],
        curves: Sequence[Curve] = (),
        coder: Coder | None = None,
        router: FloatArray | None = None,
        cards: Sequence[Card] = (),
        measured: IntArray | None = None,
        whole: IntArray | None = None,
    ) -> None:
        """`router` [L, D + 1] is of `index.rungs.router`; with a coder all segments are coded, without one none is.

        `measured` [L] are the rows of each list when the curves were measured; None: as many as now.
        `whole` [L] are the rows of each list in all shards, where the segments are those of one shard.
        `cards` are the segments' rows on a graphics card, of all segments or of none: see `index.rungs.gpu`.
        """
        self.cards = tuple(cards)
        self._pace: float | None = None
        self.modality, self.segments, self.curves, self.coder = modality, tuple(segments), tuple(curves), coder
        self._sizes = [segment.list_sizes() for segment in segments] if coder else []
        self._measured, self.listings = measured, Listings(self._sizes, measured, whole)
        if coder is not None and router is not None:
            self._set_router(coder, router)

    @property
    def rows(self) -> int:
        """Number of stored rows, removed ones included."""
        return sum(map(len, self.segments))

    def num_kept(self, kept: Sequence[Kept | None] | None) -> int:
        """Number of rows that may be hits."""
        return num_kept(kept, [len(segment) for segment in self.segments])

    @property
    def width(self) -> int:
        return int(self.segments[0].rows.shape[1])

    def middles(self) -> FloatArray:
        """Middles of the lists [L, D].  Only for a shelf with a coder."""
        assert self.coder is not None
        return self.coder.middles(self.width)

    def with_router(self, router: FloatArray) -> "Shelf":
        """The same rows, routed by these weights [L, D + 1]."""
        return Shelf(self.modality, self.segments, self.curves, self.coder, router, measured=self._measured)

    def curves_at(self, dim: int) -> list[Curve]:
        """The curves of a width, by ascending k."""
        return sorted((curve for curve in self.curves if curve.dim == dim), key=lambda curve: curve.k)

    def listing(self, kept: Sequence[Kept | None] | None) -> Listing:
        """How the rows that may be hits lie to the lists."""
        return self.listings.of(kept)

    def pace(self, curve: Curve) -> float:
        """Milliseconds that searches take on this machine, for each that the curve counts; measured once."""
        if self._pace is None:
            point = curve.points[len(curve.points) // 2]
            rows = self.segments[0].rows
            queries = unit_rows(rows[:: max(1, len(rows) // TIMED)][:TIMED], self.width)
            request = ShelfRequest(curve.k, self.width, point.setting)
            self.search(queries, request)  # kernels are compiled, pages in memory
            began = time.perf_counter()
            for place in range(len(queries)):
                self.search(queries[place : place + 1], request)
            self._pace = (time.perf_counter() - began) * 1000 / len(queries) / point.ms_one
        return self._pace

    def search(self, queries: FloatArray, request: ShelfRequest, record: Record | None = None) -> Hits:
        """Hits for unit queries [q, D], zero after the requested width."""
        count = request.k if request.hidden is None else request.k + max(map(len, request.hidden), default=0)
        if request.on_card:
            parts = [self._on_card(place, queries, request, count, record) for place in range(len(self.segments))]
        elif request.setting is None or self.coder is None:
            parts = [self._read_all(place, queries, request, count, record) for place in range(len(self.segments))]
        elif len(queries) <= ONE_CALL and self._has_avx2:
            parts = [self._in_one_call(queries, request, request.setting, count, record)]
        else:
            parts = self._two_stages(queries, request, request.setting, count, record)
        hits = parts[0] if len(parts) == 1 else join(parts, count)
        return hits if request.hidden is None else _without(hits, request.hidden, request.k)

    def route(
        self,
        queries: FloatArray,
        depth: float,
        record: Record | None = None,
        kept: Sequence[Kept | None] | None = None,
        slope: float = 0.0,
        listing: Listing | None = None,
    ) -> tuple[IntArray, FloatArray]:
        """Lists that each query reads [q, w], padded with -1, and the cosines to their middles [q, w]."""
        from index.rungs import kernels

        began = time.perf_counter()
        scores = np.empty((len(queries), len(self._weights)), np.float32)
        kernels.products(queries, self._weights, scores)
        lists, near = np.empty(scores.shape, np.int64), np.empty(scores.shape, np.float32)
        tables = self._bias, (listing or self.listing(kept)).log_kept, self._log_sizes
        width = kernels.route(scores, *tables, depth, slope, self.cut(queries), self._middles, lists, near)
        if record:
            record(self._cost("route", queries.shape[1], scores.size, queries.shape[1] * FLOAT32_BYTES, began))
        return np.ascontiguousarray(lists[:, :width]), np.ascontiguousarray(near[:, :width])

    def depths(self, queries: FloatArray, kept: Sequence[Kept | None] | None = None) -> FloatArray:
        """[q, L]: the depth at which `route` reads each list, without a slope; the most likely one is always read."""
        logs = queries @ self._weights.T + self._bias + self.listing(kept).log_kept
        logs -= logs.max(axis=1, keepdims=True)
        shares = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
        found: FloatArray = np.where(logs == 0, -np.inf, self._log_sizes - shares).astype(np.float32)
        return found

    def log_share(self, queries: FloatArray, kept: Sequence[Kept | None]) -> FloatArray:
        """[q]: the logarithm of the share of the answers that may be hits, as the router expects it; at most 0."""
        logs = queries @ self._weights.T + self._bias
        every, some = (
            np.exp(one - logs.max(axis=1, keepdims=True)).sum(axis=1)
            for one in (logs, logs + self.listing(kept).log_kept)
        )
        found: FloatArray = np.minimum(np.log(np.maximum(some, 1e-30)) - np.log(every), 0)
        return found

    def every_list(self, queries: FloatArray) -> tuple[IntArray, FloatArray]:
        """All lists for each query [q, L], and the cosines to their middles."""
        near = self.cut(queries) @ self._middles.T
        return np.tile(np.arange(near.shape[1]), (len(near), 1)), np.ascontiguousarray(near)

    def candidates(
        self,
        queries: FloatArray,
        lists: IntArray,
        near: FloatArray,
        count: int,
        kept: Sequence[Kept | None] | None = None,
    ) -> IntArray:
        """Positions [q, count] of the best codes of the only segment, in the queries' lists."""
        selector = None if kept is None else self._selector(kept, 0)
        return self.segments[0].scan(self.cut(queries), lists, near, count, selector)

    def cut(self, queries: FloatArray) -> FloatArray:
        """Queries in the coder's order of dims [q, d]."""
        assert self.coder is not None
        return np.ascontiguousarray(queries[:, self.coder.order])

    def from_lists(
        self,
        queries: FloatArray,
        lists: IntArray,
        near: FloatArray,
        request: ShelfRequest,
        count: int,
        record: Record | None = None,
    ) -> list[Hits]:
        """For each segment the `count` best of the rows in the queries' lists [q, w]."""
        cut = self.cut(queries)
        return [
            self._of_segment(place, queries, cut, lists, near, request, count, record)
            for place in range(len(self.segments))
        ]

    def rows_in(self, lists: IntArray) -> int:
        """Number of rows, over all segments, in these lists [q, w] of the queries."""
        return sum(_read(sizes, lists) for sizes in self._sizes)

    def _in_one_call(
        self, queries: FloatArray, request: ShelfRequest, setting: Setting, count: int, record: Record | None
    ) -> Hits:
        kept = None if request.kept is None else [None if one is None else one.bits for one in request.kept]
        log_kept = (request.listing or self.listing(request.kept)).log_kept
        hits, spent = self._tables.search(queries, request.dim, setting, count, kept, log_kept, request.slope)
        if record:
            full, seconds, rows = queries.shape[1], spent[: len(STAGES)].tolist(), spent[len(STAGES) :].astype(int)
            read = (len(queries) * self._tables.lists.shape[2], *rows.tolist())
            sizes = full * INT8_BYTES, self.segments[0].codes.code_size, full * INT8_BYTES, full * FLOAT16_BYTES
            for stage, number, size, some in zip(STAGES, read, sizes, seconds, strict=True):
                dim = self._tables.code_dim if stage == "scan" else request.dim
                record(StageCost(stage, self.modality, dim, number, number * size, some))
        return hits

    def _two_stages(
        self, queries: FloatArray, request: ShelfRequest, setting: Setting, count: int, record: Record | None
    ) -> list[Hits]:
        lists, near = self.route(queries, setting.depth, record, request.kept, request.slope, request.listing)
        return self.from_lists(queries, lists, near, request, count, record)

    def _of_segment(
        self,
        place: int,
        queries: FloatArray,
        cut: FloatArray,
        lists: IntArray,
        near: FloatArray,
        request: ShelfRequest,
        count: int,
        record: Record | None,
    ) -> Hits:
        segment, setting = self.segments[place], request.setting
        assert setting is not None
        shortlist, last = max(setting.shortlist, count), max(setting.exact, count)
        began = time.perf_counter()
        candidates = segment.scan(cut, lists, near, shortlist, self._selector(request.kept, place))
        scanned = time.perf_counter()
        ranked = segment.rank(queries, candidates, request.dim, last)
        done = time.perf_counter()
        hits = segment.exact(queries, ranked, request.dim, count)
        if record:
            full, code = queries.shape[1], segment.codes.code_size
            record(self._cost("scan", cut.shape[1], _read(self._sizes[place], lists), code, began, scanned))
            record(self._cost("rank", request.dim, candidates.size, full * INT8_BYTES, scanned, done))
            record(self._cost("exact", request.dim, ranked.size, full * FLOAT16_BYTES, done))
        return hits

    def _read_all(
        self, place: int, queries: FloatArray, request: ShelfRequest, count: int, record: Record | None
    ) -> Hits:
        segment, began = self.segments[place], time.perf_counter()
        kept = None if request.kept is None else request.kept[place]
        hits = segment.read_all(queries, request.dim, count, kept)
        if record:
            read = len(queries) * (len(segment) if kept is None else kept.count)
            record(self._cost("all", request.dim, read, queries.shape[1] * FLOAT16_BYTES, began))
        return hits

    def _on_card(
        self, place: int, queries: FloatArray, request: ShelfRequest, count: int, record: Record | None
    ) -> Hits:
        began = time.perf_counter()
        hits = self.cards[place].search(queries, count)
        if record:
            read = len(queries) * len(self.segments[place])
            record(self._cost("card", request.dim, read, queries.shape[1] * FLOAT16_BYTES, began))
        return hits

    def _selector(self, kept: Sequence[Kept | None] | None, place: int) -> Any:
        one = None if kept is None else kept[place]
        return None if one is None else library().IDSelectorBitmap(one.bits)

    @cached_property
    def _has_avx2(self) -> bool:
        from index.rungs.simd import HAS_AVX2

        return HAS_AVX2

    @cached_property
    def _tables(self) -> Tables:
        """Made at the first search of a few questions."""
        assert self.coder is not None
        return Tables(self.segments, self.coder, self._weights, self._bias, self.listings.now)

    def _set_router(self, coder: Coder, router: FloatArray) -> None:
        weights = np.ascontiguousarray(router[:, :-1], np.float32)
        self._weights, self._middles = weights, np.ascontiguousarray(coder.centroids)
        self._bias = np.ascontiguousarray(router[:, -1], np.float32)
        self._log_sizes = np.log(np.maximum(self.listings.now, 1)).astype(np.float32)

    @cached_property
    def cost(self) -> Cost:
        """Costs of searches by counts.  Only for a shelf with a coder."""
        assert self.coder is not None
        return Cost(self.width, len(self.coder.codebook), self.coder.lists)

    def _cost(
        self, stage: str, dim: int, rows: int, row_bytes: int, began: float, ended: float | None = None
    ) -> StageCost:
        return StageCost(stage, self.modality, dim, rows, rows * row_bytes, (ended or time.perf_counter()) - began)


def _read(sizes: IntArray, lists: IntArray) -> int:
    return int(sizes[lists[lists != NO_ID]].sum())


def _without(hits: Hits, hidden: Sequence[IntArray], k: int) -> Hits:
    """The k best that are not hidden."""
    gone = np.array([np.isin(row, some) for row, some in zip(hits.ids, hidden, strict=True)]).reshape(hits.ids.shape)
    shown = Hits(np.where(gone, NO_ID, hits.ids), np.where(gone, -np.inf, hits.scores).astype(np.float32))
    return join([shown], k)
