"""Our index as a contender: for a requested recall, it looks up the depth that was measured to keep it.

`Fixed` is the same index, codes and calibration, but reads the same number of lists for every query: the difference is
the gain from adapting.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed.encoder import FloatArray
from embed.tables import PROVENANCE
from evaluate.bench.index.contender import Setting
from evaluate.bench.index.made_up import table_of
from index.ask.opened import OpenParts
from index.ask.plan import Effort, decide
from index.ask.searcher import Index
from index.building.bits import code_for
from index.building.choose import choose
from index.building.merge import Source, segment_entry, write_segment
from index.calibration.calibrate import calibrate
from index.contracts import NO_ID, Hits, IntArray, SearchRequest
from index.faiss_library import library
from index.kept import Kept
from index.ladder import Setting as Depth
from index.neighbours import join
from index.parts.artifact import FORMAT, PROVENANCE_COPY, Lineage, Manifest, ModalityEntry
from index.parts.provenance import Provenance
from index.rungs import kernels
from index.rungs.coder import CODE_ROWS, ROWS_PER_LIST, Coder, train_coder
from index.rungs.listing import Listing
from index.rungs.segment import Segment
from index.rungs.shelf import Record, Shelf, ShelfRequest
from index.spec import IndexSpec

TEXT = "text"
SCALE_BYTES = 4  # a row's scale


class Ours:
    """Implements `evaluate.bench.index.contender.Promising`."""

    name = "deglu"

    def __init__(self, lists: int | None = None, code_bits: float | None = None) -> None:
        """Lists and bits are chosen as by `deglu index` where they are None."""
        self._spec = IndexSpec(vectors="bench", output="memory", lists=lists, code_bits=code_bits, ladder="coded")
        self._folder = TemporaryDirectory(prefix="deglu-bench-")

    def build(self, rows: FloatArray) -> None:
        """Build coder and segment; `calibrate` makes the router and its curve."""
        folder, width = Path(self._folder.name), rows.shape[1]
        plan = choose(len(rows), (width,), self._spec)
        order = np.random.default_rng(0).permutation(len(rows))[: max(CODE_ROWS, ROWS_PER_LIST * plan.lists)]
        halves = rows.astype(np.float16)
        shape, _ = code_for(halves[order], len(rows), (width,), self._spec, plan)
        coder = train_coder(halves[order], plan.lists, shape.dim, shape.subspaces)
        lists, given = coder.lists_of(halves), folder / "given.parquet"
        in_order = _write_provenance(rows, lists, given)
        made = folder / "segment"
        made.mkdir()
        write_segment([Source(halves[in_order], lists[in_order], given)], coder, made)
        entry = segment_entry(made, TEXT, 0, "bench", True, 1.0)
        self._numbers = _numbers(made / PROVENANCE_COPY)
        self._shelf = self._routed(Segment.load(made, entry), coder)

    def bytes_per_vector(self) -> float:
        """Codes, 8-bit rows, scales and lists; not the 16-bit rows: these are mapped, a query reads twenty of them."""
        width = self._shelf.width
        coder = self._shelf.coder
        assert coder is not None
        per_row = len(coder.codebook) / 2 + 8 + width + SCALE_BYTES  # faiss keeps an id of 8 bytes with each code
        return per_row + 2 * coder.lists * 4 * width / self._shelf.rows

    def use_threads(self, count: int) -> None:
        library().omp_set_num_threads(count)

    def calibrate(self, queries: FloatArray) -> None:
        """Calibrate like a build with a log of questions."""
        router, curves = calibrate(self._shelf, Path(), (self._shelf.width,), None, queries)
        routed = self._shelf.with_router(router)
        routed.curves = curves
        self._index = _index_of(routed, self._spec)
        self._shelf = routed

    def promised(self, recall: float) -> Setting:
        return recall

    def rows_read(self, queries: FloatArray, setting: Setting) -> float:
        assert isinstance(setting, float)
        found = decide(self._shelf, 10, self._shelf.width, Effort(setting, None, True)).setting
        if found is None:
            return float(self._shelf.rows)
        return self._shelf.rows_in(self._shelf.route(queries, found.depth)[0]) / len(queries)

    def search(self, queries: FloatArray, k: int, setting: Setting) -> IntArray:
        """`setting` is the requested recall."""
        assert isinstance(setting, float)
        ids = self._index.search(queries, SearchRequest(k, "text", recall=setting)).ids
        return np.where(ids == NO_ID, NO_ID, self._numbers[ids])

    def close(self) -> None:
        self._folder.cleanup()

    def _routed(self, segment: Segment, coder: Coder) -> Shelf:
        return Shelf(TEXT, [segment], coder=coder)


class Fixed(Ours):
    """Our index that reads the nearest lists, equally many for every query; depth is the logarithm of their number."""

    name = "deglu, fixed depth"

    def _routed(self, segment: Segment, coder: Coder) -> Shelf:
        return _FixedShelf(TEXT, [segment], coder=coder)


class _FixedShelf(Shelf):
    def with_router(self, router: FloatArray) -> Shelf:
        return _FixedShelf(self.modality, self.segments, self.curves, self.coder, router)

    def depths(self, queries: FloatArray, kept: Sequence[Kept | None] | None = None) -> FloatArray:
        assert self.coder is not None
        order = np.argsort(-(self.cut(queries) @ self.coder.centroids.T), axis=1, kind="stable")
        found = np.empty(order.shape, np.float32)
        np.put_along_axis(found, order, np.log(np.arange(1, order.shape[1] + 1, dtype=np.float32) + 1e-3)[None], axis=1)
        return found

    def _in_one_call(
        self, queries: FloatArray, request: ShelfRequest, setting: Depth, count: int, record: Record | None
    ) -> Hits:
        """The compiled call chooses the lists itself, so a few queries are searched like many."""
        return join(self._two_stages(queries, request, setting, count, record), count)

    def route(
        self,
        queries: FloatArray,
        depth: float,
        record: Record | None = None,
        kept: Sequence[Kept | None] | None = None,
        slope: float = 0.0,
        listing: Listing | None = None,
    ) -> tuple[IntArray, FloatArray]:
        assert self.coder is not None
        cosines = np.empty((len(queries), self.coder.lists), np.float32)
        kernels.products(self.cut(queries), self.coder.centroids, cosines)
        count = int(min(self.coder.lists, max(1.0, np.exp(min(depth, 20.0)))))
        if count == self.coder.lists:
            return np.tile(np.arange(count), (len(queries), 1)), np.ascontiguousarray(cosines)
        lists = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        return np.ascontiguousarray(lists), np.ascontiguousarray(np.take_along_axis(cosines, lists, 1))


def _index_of(shelf: Shelf, spec: IndexSpec) -> Index:
    manifest = Manifest(
        format=FORMAT,
        version=1,
        spec=spec,
        space="bench",
        dims=(shelf.width,),
        metric="cosine",
        rows=shelf.rows,
        segments=(),
        modalities={TEXT: ModalityEntry(coder=None, router=None, curves=(), top_scores={})},
        removed=None,
        lineage=Lineage(url="bench", version=1, sha256=None, settings={}),
    )
    return Index("memory", manifest, OpenParts({TEXT: shelf}, Provenance([], {TEXT: [None]})))


def _write_provenance(rows: FloatArray, lists: NDArray[np.int32], path: Path) -> IntArray:
    """Write provenance sorted like a segment, by list and segment_id; the order of the rows."""
    table = table_of(rows).select(PROVENANCE.names)
    ids = np.array(table["segment_id"].to_pylist(), "S16")
    order = np.lexsort((ids, lists))
    pq.write_table(table.take(pa.array(order)).replace_schema_metadata(None).cast(PROVENANCE), path)
    return order


def _numbers(path: Path) -> IntArray:
    """The row number of each position."""
    uris = pq.read_table(path, columns=["uri"])["uri"].to_pylist()
    return np.array([int(uri.rpartition("/")[2]) for uri in uris], np.int64)
