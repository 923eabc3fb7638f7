"""The searcher over a built index: opened once, safe to search from many threads."""

import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embed.encoder import FloatArray, truncate
from embed.errors import FingerprintMismatch, InputError, SpecError
from index.ask.opened import OpenParts, open_version
from index.ask.plan import EVERY_ROW, Effort, decide
from index.ask.prepared import prepared_queries
from index.audit.auditor import Auditor, KeptRows, Pause, Searched
from index.audit.exact import exact_hits, load_loops
from index.calibration.blend import FEWEST_ROWS, Background, without_gap
from index.contracts import Chosen, Exclude, Explanation, Hits, IntArray, SearchRequest, StageCost
from index.faiss_library import Device, library
from index.filter import Where
from index.kept import Kept, num_kept
from index.neighbours import join, top
from index.parts.artifact import Manifest
from index.rungs.listing import Listing
from index.rungs.portion import Portion
from index.rungs.segment import Segment
from index.rungs.shelf import Record, Shelf, ShelfRequest

ANY = "any"
DECISIONS = 32  # remembered, with the filters that they are for: most questions ask for the same
BLOCK = 256  # queries that are searched together; their scores stay in the cache


class Index:
    """One opened version of an index; implements `index.contracts.Searcher`."""

    def __init__(
        self, url: str, manifest: Manifest, parts: OpenParts, audit: float = 0.0, portion: Portion | None = None
    ) -> None:
        """`open_index` is the usual way to make one."""
        self.url, self.manifest, self.portion = url, manifest, portion
        self._shelves, self._provenance = parts.shelves, parts.provenance
        self._decide = lru_cache(DECISIONS)(decide)
        self._auditor = self._begun_audit(audit) if audit else None

    @property
    def dims(self) -> tuple[int, ...]:
        """Declared widths, descending."""
        return self.manifest.dims

    @property
    def space(self) -> str:
        return self.manifest.space

    def __len__(self) -> int:
        """Rows that may be hits."""
        return self.manifest.rows if self.portion is None else sum(self._may_be_hits.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the audit, where there is one, and keep what it counted; searches are still answered."""
        if self._auditor is not None:
            self._auditor.close()

    def search(self, queries: FloatArray, request: SearchRequest) -> Hits:
        """See `index.contracts.Searcher`."""
        if self._auditor is None:
            return self._answered(self._call(queries, request))[0]
        with self._auditor:
            call = self._call(queries, request)
            hits, chosen = self._answered(call)
        promised = call.effort.recall
        if promised is None or promised == EVERY_ROW:
            return hits
        if sample := self._auditor.drawn(len(call.queries)):
            kept = {name: self._kept(name, request.where) for name in self._names(request)}
            is_exact = all(one.setting is None for one in chosen)
            self._auditor.offer(Searched(call.queries, request, promised, kept, hits, is_exact), sample)
        return hits

    def _answered(self, call: "_Call") -> tuple[Hits, Sequence[Chosen]]:
        """The hits, and how deep each modality was searched."""
        names = self._names(call.request)
        found = [self._found(name, call) for name in names]
        hits, chosen = self._as_one(names, call, [hits for hits, _ in found]), tuple(chosen for _, chosen in found)
        if not call.request.explain:
            return hits, chosen
        return Hits(hits.ids, hits.scores, Explanation(len(call.queries), _summed(call.costs), chosen)), chosen

    def _begun_audit(self, share: float) -> Auditor:
        """An audit that ends with this object, if not by `close`."""
        for name in self._may_be_hits:
            load_loops(self._segments(name))
        made = Auditor(self.url, self.manifest, share, weakref.WeakMethod(self._exactly))
        weakref.finalize(self, made.close)
        return made

    def _segments(self, name: str) -> Sequence[Segment]:
        return self._shelves[name].segments

    def _kept(self, name: str, where: Where | None) -> Sequence[Kept | None]:
        """For each of these segments the rows that may be hits; None: all."""
        return self._provenance.kept(name, where)

    def _exactly(self, query: FloatArray, request: SearchRequest, kept: KeptRows, pause: Pause) -> Hits:
        """The hits among all rows that are kept, as `search` gives them with a recall of 1; read with pauses."""
        call = self._call(query, request)
        hidden = call.hidden[0] if call.hidden else np.empty(0, np.int64)
        found = [
            exact_hits(self._segments(name), call.queries, request.k, call.dim, kept[name], hidden, pause)
            for name in kept
        ]
        return self._as_one(list(kept), call, found)

    def _names(self, request: SearchRequest) -> list[str]:
        return [name for name in self._shelves if request.modality in (ANY, name)]

    def _as_one(self, names: Sequence[str], call: "_Call", found: Sequence[Hits]) -> Hits:
        """The hits of the modalities that were searched, together."""
        if call.request.modality == ANY:
            return self._merged(self._comparable(names, call, found), call)
        return found[0] if found else join([_no_hits(len(call.queries))], call.request.k)

    def rows(self, ids: Sequence[int] | IntArray) -> pa.Table:
        """See `index.contracts.Searcher`."""
        return self._provenance.rows(np.asarray(ids, np.int64).reshape(-1), self.url)

    def ids(self, segment_ids: Sequence[bytes]) -> IntArray:
        """The ids in this version of rows by their `segment_id` (16 bytes); -1 where none that may be a hit has it."""
        return self._provenance.ids(segment_ids)

    def vectors(self, ids: Sequence[int] | IntArray) -> FloatArray:
        """The stored vectors of rows: float32 [n, D], of unit length.  Raises InputError for an unknown id."""
        self.rows(ids)
        segments = [segment for name in self._may_be_hits for segment in self._segments(name)]
        found = np.empty((len(ids), self.dims[0]), np.float32)
        for place, identity in enumerate(ids):
            segment = next(one for one in segments if one.first_id <= identity < one.first_id + len(one))
            found[place] = segment.rows[int(identity) - segment.first_id]
        return truncate(found, self.dims[0])

    def count(self, where: Where | None = None) -> int:
        """Rows that may be hits, of those that the filter keeps."""
        return sum(num_kept(self._kept(name, where), [*map(len, self._segments(name))]) for name in self._may_be_hits)

    def languages(self, where: Where | None = None) -> list[str]:
        """Languages of the rows that may be hits, of those that the filter keeps; in order."""
        return sorted({lang for name in self._may_be_hits for lang in self._provenance.values("lang", name, where)})

    def is_calibrated(self, modality: str) -> bool:
        """Whether scores of such a search are calibrated (`index.calibration.blend`); otherwise they are cosines."""
        return modality == ANY and min(self._may_be_hits.values(), default=0) >= FEWEST_ROWS

    def _call(self, queries: FloatArray, request: SearchRequest) -> "_Call":
        check_dim(self.url, self.manifest, request)
        dim = request.dim or self.dims[0]
        ready = prepared_queries(queries, self.dims[0], dim, compiled=self._is_coded)
        own = request.recall is None and request.budget_ms is None
        effort = Effort(self.manifest.spec.recall if own else request.recall, request.budget_ms, len(ready) > 1)
        return _Call(request, ready, dim, effort, _checked_exclude(request.exclude, len(ready)), [])

    @cached_property
    def _is_coded(self) -> bool:
        return any(shelf.coder is not None for shelf in self._shelves.values())

    def _found(self, name: str, call: "_Call", whole: Listing | None = None) -> tuple[Hits, Chosen]:
        """Hits of one shelf, and how deep it was searched; `whole` as in `index.ask.plan.decide`."""
        shelf, kept = self._shelves[name], tuple(self._provenance.kept(name, call.request.where))
        hidden = max(map(len, call.hidden), default=0) if call.hidden else 0  # they may be the best
        made = self._decide(shelf, call.request.k + hidden, call.dim, call.effort, kept, whole)
        request = ShelfRequest(
            call.request.k, call.dim, made.setting, call.hidden, kept, made.on_card, made.slope, whole
        )
        hits = _shelf_hits(shelf, call.queries, request, call.costs.append if call.request.explain else None)
        return hits, Chosen(name, made.setting, made.point, made.why)

    def _comparable(self, names: Sequence[str], call: "_Call", found: Sequence[Hits]) -> list[Hits]:
        """The hits of each modality, with scores by which they can be merged."""
        rows, scores = [self._may_be_hits[name] for name in names], [hits.scores for hits in found]
        if min(rows, default=FEWEST_ROWS) < FEWEST_ROWS:
            cosines = [self._backgrounds[name].cosines(call.queries, call.dim) for name in names]
            comparable = without_gap(scores, cosines, rows)
        else:
            comparable = [self._calibrated(name, call, one) for name, one in zip(names, scores, strict=True)]
        return [Hits(hits.ids, one) for hits, one in zip(found, comparable, strict=True)]

    def _calibrated(self, name: str, call: "_Call", scores: FloatArray) -> FloatArray:
        usual = self.manifest.modalities[name].top_scores[call.dim]
        return self._backgrounds[name].calibrate(call.queries, scores, call.dim, usual, self._is_coded)

    def _merged(self, parts: Sequence[Hits], call: "_Call") -> Hits:
        if not self._is_coded:
            return join([_no_hits(len(call.queries)), *parts], call.request.k)
        from index.calibration import kernels

        ids, scores = (np.hstack(some) for some in ([one.ids for one in parts], [one.scores for one in parts]))
        shape = len(ids), call.request.k
        best = Hits(np.empty(shape, np.int64), np.empty(shape, np.float32))
        kernels.merge(ids, scores, best.ids, best.scores)
        return best

    @cached_property
    def _may_be_hits(self) -> dict[str, int]:
        """Rows of each modality that are not removed."""
        return {name: shelf.num_kept(self._provenance.kept(name)) for name, shelf in self._shelves.items()}

    @cached_property
    def _backgrounds(self) -> dict[str, Background]:
        segments = {name: sorted(self._segments(name), key=lambda one: one.first_id) for name in self._may_be_hits}
        return {name: Background(some) for name, some in segments.items()}


@dataclass(frozen=True)
class _Call:
    """One call of `search`: its request, with what the index fills in."""

    request: SearchRequest
    queries: FloatArray  # [q, D], unit length, zero after `dim`
    dim: int
    effort: Effort
    hidden: Sequence[IntArray] | None  # for each query, ids that may not be hits
    costs: list[StageCost]  # of an explained call


def open_index(
    url: str,
    space: str | None = None,
    *,
    version: int | None = None,
    verify: bool = True,
    device: Device | None = None,
    audit: float = 0.0,
    shard: tuple[int, int] | None = None,
) -> Index:
    """The index at `url`, its newest version unless one is named; a remote one is first copied into the cache.

    space   the space of the queries; refused where it is not the index's
    verify  compare the sha256 of every file with the manifest, once a file, not only its size
    device  auto: a graphics card where faiss has one and the rows fit it; cpu or gpu: that; None: as its spec says
    audit   the share of questions, such as 0.001, that are answered again from every row while the process has time;
            `deglu status INDEX` shows the recall that was found.  No question is kept.  See `index.audit.auditor`
    shard   (i, n): only the i-th of n portions of the rows, from 0, for an index that is larger than the memory of one
            machine; `deglu.ShardedIndex` answers from all of them.  No other rows are read

    Raises InputError where there is no index, StorageError for damaged files, FingerprintMismatch.

    >>> import deglu
    >>> index = deglu.open_index("build/index")
    >>> index.dims
    (32, 16, 8)
    """
    url = url.rstrip("/")
    checked_audit(audit)
    if audit and shard is not None:
        raise SpecError("audit and shard were both given; audit all shards together: ShardedIndex(shards, audit=...)")
    portion = None if shard is None else _portion(*shard)
    manifest, parts = open_version(
        url, version, verify, device, lambda manifest: check_space(url, manifest, space), portion
    )
    return Index(url, manifest, parts, audit, portion)


def checked_audit(share: float) -> float:
    """Raises SpecError for what is no share of the questions."""
    if not 0 <= share <= 1:
        raise SpecError(f"audit = {share:g}: must be from 0 to 1, a share of the questions")
    return share


def _portion(number: int, count: int) -> Portion:
    if not 0 <= number < count:
        raise SpecError(f"shard = ({number}, {count}): give (i, n) with i from 0 to n - 1")
    return Portion(number, count)


def check_space(url: str, manifest: Manifest, space: str | None, model: str | None = None) -> None:
    """Raises FingerprintMismatch where the space of the queries, which `model` encodes, is not the index's."""
    if space is None or space == manifest.space:
        return
    asked = "the queries are" if model is None else f"model {model!r} is"
    raise FingerprintMismatch(
        f"{url} is in space {manifest.space}, {asked} in space {space}; ask with the model that embedded "
        f"{manifest.lineage.url} (--model of `deglu query`), or embed it again with your model: "
        "`deglu embed SPEC --set output=ANOTHER`, then `deglu index SPEC`"
    )


def check_dim(url: str, manifest: Manifest, request: SearchRequest) -> None:
    """Raises SpecError for a width that the index does not declare."""
    if request.dim is not None and request.dim not in manifest.dims:
        declared = ", ".join(map(str, manifest.dims))
        raise SpecError(f"dim = {request.dim}: {url} declares the dims {declared}; choose one of these")


def _shelf_hits(shelf: Shelf, queries: FloatArray, request: ShelfRequest, record: Record | None) -> Hits:
    """Many queries are searched in blocks, as many at once as faiss may use threads."""
    if len(queries) <= BLOCK or request.setting is None:
        return shelf.search(queries, request, record)
    blocks = [slice(first, first + BLOCK) for first in range(0, len(queries), BLOCK)]
    threads = min(library().omp_get_max_threads(), len(blocks))

    def one(block: slice) -> Hits:
        return shelf.search(queries[block], request.of(block), record)

    if threads == 1:
        found = [one(block) for block in blocks]
    else:
        with ThreadPoolExecutor(threads, initializer=_own_thread) as pool:
            found = list(pool.map(one, blocks))
    return Hits(np.vstack([hits.ids for hits in found]), np.vstack([hits.scores for hits in found]))


def _own_thread() -> None:
    # The setting is each thread's own: blocks share the cores, so faiss must not split them further.
    library().omp_set_num_threads(1)


def _summed(costs: Sequence[StageCost]) -> tuple[StageCost, ...]:
    """One cost for each stage of each modality, over segments and blocks of queries."""
    found: dict[tuple[str, str], StageCost] = {}
    for cost in costs:
        key = cost.modality, cost.stage
        old = found.get(key, StageCost(cost.stage, cost.modality, cost.dim, 0, 0, 0.0))
        rows, size, spent = old.rows + cost.rows, old.bytes + cost.bytes, old.seconds + cost.seconds
        found[key] = StageCost(cost.stage, cost.modality, cost.dim, rows, size, spent)
    return tuple(found.values())


def _checked_exclude(exclude: Exclude | None, q: int) -> list[IntArray] | None:
    if exclude is None:
        return None
    if len(exclude) != q:
        raise InputError(f"exclude has {len(exclude)} lists of ids for {q} queries; give one for each")
    return [np.asarray(ids, np.int64).reshape(-1) for ids in exclude]


def _no_hits(q: int) -> Hits:
    empty: NDArray[np.float32] = np.empty((q, 0), np.float32)
    return top(np.empty((q, 0), np.int64), empty, 0)
