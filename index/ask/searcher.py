"""The searcher over a built index: open it once, ask it from as many threads as you like."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embed.encoder import FloatArray
from embed.errors import FingerprintMismatch, InputError
from index.ask.opened import Opened, open_version
from index.ask.plan import Decision, Effort, decide
from index.calibration.blend import Background, calibrated
from index.contracts import NO_ID, Chosen, Exclude, Explanation, Hits, IntArray, Mask, Modality, StageCost
from index.faiss_library import Device, library
from index.filter import Where
from index.neighbours import join, top
from index.parts.artifact import Manifest
from index.rungs.shelf import Shelf, Wish

BLOCK = 256  # queries that go down the ladder together; their scores stay in the cache


class Index:
    """One version of an index, opened; keeps `index.contracts.Searcher`."""

    def __init__(self, url: str, manifest: Manifest, opened: Opened) -> None:
        """`open_index` is the usual way here."""
        self.url, self.manifest = url, manifest
        self._shelves, self._provenance, self._live = opened.shelves, opened.provenance, opened.live
        self._kept_rows = {name: _count(opened.live[name], shelf) for name, shelf in self._shelves.items()}

    @property
    def dims(self) -> tuple[int, ...]:
        """Declared widths, descending."""
        return self.manifest.dims

    @property
    def space(self) -> str:
        return self.manifest.space

    def __len__(self) -> int:
        """Rows that may be hits."""
        return self.manifest.rows

    def search(
        self,
        queries: FloatArray,
        k: int,
        *,
        modality: Modality = "any",
        dim: int | None = None,
        recall: float | None = None,
        budget_ms: float | None = None,
        where: Where | None = None,
        exclude: Exclude | None = None,
    ) -> Hits:
        """See `index.contracts.Searcher`."""
        ready, width = self._prepared(queries, dim)
        effort = self._effort(recall, budget_ms, len(ready))
        hidden = _checked_exclude(exclude, len(ready))
        names = self._asked(modality)
        if len(names) == 1 and modality != "any":
            wish, _ = self._wish(names[0], _at_least_one("k", k), width, effort, where, hidden)
            return self._shelf_hits(names[0], ready, wish, None)
        return self._searched(names, modality, ready, k, width, effort, where, hidden, None)[0]

    def search_explained(
        self,
        queries: FloatArray,
        k: int,
        *,
        modality: Modality = "any",
        dim: int | None = None,
        recall: float | None = None,
        budget_ms: float | None = None,
        where: Where | None = None,
        exclude: Exclude | None = None,
    ) -> tuple[Hits, Explanation]:
        """As `search`, and where its time went."""
        ready, width = self._prepared(queries, dim)
        effort = self._effort(recall, budget_ms, len(ready))
        hidden = _checked_exclude(exclude, len(ready))
        costs: list[StageCost] = []
        names = self._asked(modality)
        hits, chosen = self._searched(names, modality, ready, k, width, effort, where, hidden, costs)
        return hits, Explanation(len(ready), _summed(costs), tuple(chosen))

    def rows(self, ids: Sequence[int] | IntArray) -> pa.Table:
        """See `index.contracts.Searcher`."""
        return self._provenance.rows(np.asarray(ids, np.int64).reshape(-1), self.url)

    def _searched(
        self,
        names: Sequence[str],
        modality: str,
        queries: FloatArray,
        k: int,
        dim: int,
        effort: Effort,
        where: Where | None,
        hidden: Sequence[IntArray] | None,
        costs: list[StageCost] | None,
    ) -> tuple[Hits, list[Chosen]]:
        k = _at_least_one("k", k)
        parts, chosen = [_no_hits(len(queries))], list[Chosen]()
        for name in names:
            wish, decision = self._wish(name, k, dim, effort, where, hidden)
            hits = self._shelf_hits(name, queries, wish, costs)
            parts.append(self._comparable(name, queries, hits, dim) if modality == "any" else hits)
            chosen.append(Chosen(name, decision.setting, decision.point, decision.why))
        return join(parts, k), chosen

    def _wish(
        self,
        name: str,
        k: int,
        dim: int,
        effort: Effort,
        where: Where | None,
        hidden: Sequence[IntArray] | None,
    ) -> tuple[Wish, Decision]:
        kept, count = self._live[name], self._kept_rows[name]
        if where is not None:
            kept = self._provenance.kept(name, where, kept)
            count = _count(kept, self._shelves[name])
        decision = decide(self._shelves[name], k, dim, effort, count)
        return Wish(k, dim, decision.setting, hidden, kept, decision.on_card), decision

    def _shelf_hits(self, name: str, queries: FloatArray, wish: Wish, costs: list[StageCost] | None) -> Hits:
        """Many queries go in blocks, as many at once as faiss may use threads."""
        shelf, tell = self._shelves[name], None if costs is None else costs.append
        if len(queries) <= BLOCK or wish.setting is None:
            return shelf.search(queries, wish, tell)
        blocks = [slice(first, first + BLOCK) for first in range(0, len(queries), BLOCK)]
        threads = min(library().omp_get_max_threads(), len(blocks))

        def one(block: slice) -> Hits:
            return shelf.search(queries[block], wish.of(block), tell)

        if threads == 1:
            found = [one(block) for block in blocks]
        else:
            with ThreadPoolExecutor(threads, initializer=_own_thread) as pool:
                found = list(pool.map(one, blocks))
        return Hits(np.vstack([hits.ids for hits in found]), np.vstack([hits.scores for hits in found]))

    def _comparable(self, name: str, queries: FloatArray, hits: Hits, dim: int) -> Hits:
        standard = self._backgrounds[name].standardise(queries, hits.scores, dim)
        return Hits(hits.ids, calibrated(standard, self.manifest.modalities[name].top_scores[dim]))

    @cached_property
    def _backgrounds(self) -> dict[str, Background]:
        return {name: Background(shelf.segments) for name, shelf in self._shelves.items()}

    def _prepared(self, queries: FloatArray, dim: int | None) -> tuple[FloatArray, int]:
        width = self._checked_dim(dim)
        return prepared_queries(queries, self.dims[0], width), width

    def _effort(self, recall: float | None, budget_ms: float | None, queries: int) -> Effort:
        if recall is not None and budget_ms is not None:
            raise InputError("recall and budget_ms were both given; a search keeps one of them: choose")
        if recall is not None and not 0 < recall <= 1:
            raise InputError(f"recall = {recall:g}: a share of the true best, above 0 and up to 1")
        if budget_ms is not None and not budget_ms > 0:
            raise InputError(f"budget_ms = {budget_ms:g}: must be above 0")
        wanted = self.manifest.spec.recall if recall is None and budget_ms is None else recall
        return Effort(wanted, budget_ms, queries > 1)

    def _asked(self, modality: Modality) -> list[str]:
        if modality not in ("any", "speech", "text"):
            raise InputError(f"modality {modality!r}: choose any, speech or text")
        return [name for name in self._shelves if modality in ("any", name)]

    def _checked_dim(self, dim: int | None) -> int:
        if dim is not None and dim not in self.dims:
            declared = ", ".join(map(str, self.dims))
            raise InputError(f"dim = {dim}: {self.url} declares the dims {declared}; choose one of these")
        return dim or self.dims[0]


def open_index(
    url: str,
    space: str | None = None,
    *,
    version: int | None = None,
    verify: bool = True,
    device: Device | None = None,
) -> Index:
    """The index at `url`, its newest version unless one is named; a remote one is first copied into the cache.

    space   the space of the queries to come; another one than the index's is refused
    verify  compare every file's sha256 with the manifest, once a file, not its size alone
    device  auto: a graphics card where faiss has one and the rows fit it; cpu or gpu: that; None: as its spec says

    Raises InputError where there is no index, StorageError for damaged files, FingerprintMismatch.
    """
    url = url.rstrip("/")
    manifest, opened = open_version(url, version, verify, device, lambda manifest: check_space(url, manifest, space))
    return Index(url, manifest, opened)


def check_space(url: str, manifest: Manifest, space: str | None) -> None:
    """Raises FingerprintMismatch where the queries' space is not the index's."""
    if space is None or space == manifest.space:
        return
    raise FingerprintMismatch(
        f"{url} is in space {manifest.space}, the queries are in space {space}; ask with the encoder that made "
        f"{manifest.lineage.url}, or embed that again with yours: `deglu embed SPEC --set output=ANOTHER`, "
        "then `deglu index SPEC`"
    )


def prepared_queries(queries: Any, width: int, dim: int) -> FloatArray:
    """Unit float32 [q, width], zero behind `dim`.

    Raises InputError for another shape, or naming the first NaN, infinite or zero row.
    """
    from index.rungs import kernels

    given = np.ascontiguousarray(queries, np.float32)
    if given.ndim != 2 or given.shape[1] != width:
        raise InputError(f"queries have shape {given.shape}; this index takes [any number, {width}]")
    ready = np.empty(given.shape, np.float32)
    wrong = kernels.prepare(given if given.flags.writeable else given.copy(), dim, ready)
    if wrong != NO_ID:
        raise InputError(f"query {wrong} is zero or holds NaN or infinite values; was its speech or text empty?")
    return ready


def _own_thread() -> None:
    # The setting is each thread's own: blocks share the cores, and do not cut themselves further.
    library().omp_set_num_threads(1)


def _count(kept: Sequence[Mask] | None, shelf: Shelf) -> int:
    return shelf.rows if kept is None else sum(int(mask.sum()) for mask in kept)


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


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise InputError(f"{name} = {value}: must be at least 1")
    return value


def _no_hits(q: int) -> Hits:
    empty: NDArray[np.float32] = np.empty((q, 0), np.float32)
    return top(np.empty((q, 0), np.int64), empty, 0)
