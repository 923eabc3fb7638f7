"""The searcher over a built index: open it once, ask it from as many threads as you like."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embed.encoder import FloatArray
from embed.errors import FingerprintMismatch, InputError
from index.artifact import PROVENANCE_COPY, Manifest, read_manifest
from index.calibrate import Background, calibrated
from index.contracts import Exclude, Explanation, Hits, IntArray, Modality, StageCost
from index.faiss_library import Device, use_gpu
from index.neighbours import join, top
from index.segment import Segment
from index.staging import segment_folder


class Index:
    """One version of an index, opened; keeps `index.contracts.Searcher`."""

    def __init__(self, url: str, manifest: Manifest, segments: Sequence[Segment], provenance: Sequence[Path]) -> None:
        """`segments` and `provenance` files in the manifest's order; `open_index` is the usual way here."""
        self.url, self.manifest = url, manifest
        self._segments = _by_modality(segments)
        self._backgrounds = {name: Background(some[0].rows) for name, some in self._segments.items()}
        self._provenance_files = provenance
        self._provenance: pa.Table | None = None
        self._provenance_lock = threading.Lock()

    @property
    def dims(self) -> tuple[int, ...]:
        """Declared widths, descending."""
        return self.manifest.dims

    @property
    def space(self) -> str:
        return self.manifest.space

    def __len__(self) -> int:
        return self.manifest.rows

    def search(
        self,
        queries: FloatArray,
        k: int,
        *,
        modality: Modality = "any",
        dim: int | None = None,
        depth: int | None = None,
        exclude: Exclude | None = None,
    ) -> Hits:
        """See `index.contracts.Searcher`."""
        return self.search_explained(queries, k, modality=modality, dim=dim, depth=depth, exclude=exclude)[0]

    def search_explained(
        self,
        queries: FloatArray,
        k: int,
        *,
        modality: Modality = "any",
        dim: int | None = None,
        depth: int | None = None,
        exclude: Exclude | None = None,
    ) -> tuple[Hits, Explanation]:
        """As `search`, and where its time went."""
        queries = checked_queries(queries, self.dims[0])
        width = self._checked_dim(dim)
        depth = _at_least_one("depth", self.manifest.spec.shortlist_depth if depth is None else depth)
        k = _at_least_one("k", k)
        hidden = _checked_exclude(exclude, len(queries))
        parts: list[Hits] = []
        costs: list[StageCost] = []
        for name in self._asked(modality):
            hits, spent = self._search_modality(name, queries, k, width, depth, hidden)
            parts.append(self._calibrated(name, queries, hits, width) if modality == "any" else hits)
            costs += spent
        return join([*parts, _no_hits(len(queries))], k), Explanation(len(queries), depth, tuple(costs))

    def rows(self, ids: Sequence[int] | IntArray) -> pa.Table:
        """See `index.contracts.Searcher`."""
        wanted = np.asarray(ids, np.int64).reshape(-1)
        unknown = wanted[(wanted < 0) | (wanted >= len(self))]
        if len(unknown):
            raise InputError(f"{self.url}: no row {unknown[0]}; ids of this version are 0 to {len(self) - 1}")
        return self._all_provenance().take(pa.array(wanted))

    def _search_modality(
        self, name: str, queries: FloatArray, k: int, dim: int, depth: int, hidden: list[IntArray]
    ) -> tuple[Hits, list[StageCost]]:
        found = [segment.search(queries, k, dim, depth, hidden) for segment in self._segments[name]]
        return join([hits for hits, _ in found], k), [cost for _, costs in found for cost in costs]

    def _calibrated(self, name: str, queries: FloatArray, hits: Hits, dim: int) -> Hits:
        standard = self._backgrounds[name].standardise(queries, hits.scores, dim)
        usual = self.manifest.calibration[name].top_scores[dim]
        return Hits(hits.ids, calibrated(standard, usual))

    def _asked(self, modality: Modality) -> list[str]:
        if modality not in ("any", "speech", "text"):
            raise InputError(f"modality {modality!r}: choose any, speech or text")
        return [name for name in self._segments if modality in ("any", name)]

    def _checked_dim(self, dim: int | None) -> int:
        if dim is not None and dim not in self.dims:
            declared = ", ".join(map(str, self.dims))
            raise InputError(f"dim = {dim}: {self.url} declares the dims {declared}; choose one of these")
        return dim or self.dims[0]

    def _all_provenance(self) -> pa.Table:
        with self._provenance_lock:
            if self._provenance is None:
                self._provenance = pa.concat_tables([pq.read_table(file) for file in self._provenance_files])
            return self._provenance


def open_index(
    url: str,
    space: str | None = None,
    *,
    version: int | None = None,
    device: Device = "auto",
    verify: bool = True,
) -> Index:
    """The index at `url`, its newest version unless one is named; a remote one is first copied into the cache.

    space   the space of the queries to come; another one than the index's is refused
    verify  compare every file's sha256 with the manifest, not its size alone

    Raises InputError where there is no index, StorageError for damaged files, FingerprintMismatch.
    """
    url = url.rstrip("/")
    manifest = read_manifest(url, version)
    check_space(url, manifest, space)
    folders = [segment_folder(url, entry, verify) for entry in manifest.segments]
    gpu = use_gpu(device)
    segments = [
        Segment.load(folder, entry.modality, entry.first_id, gpu)
        for folder, entry in zip(folders, manifest.segments, strict=True)
    ]
    return Index(url, manifest, segments, [folder / PROVENANCE_COPY for folder in folders])


def check_space(url: str, manifest: Manifest, space: str | None) -> None:
    """Raises FingerprintMismatch where the queries' space is not the index's."""
    if space is None or space == manifest.space:
        return
    raise FingerprintMismatch(
        f"{url} is in space {manifest.space}, the queries are in space {space}; ask with the encoder that made "
        f"{manifest.lineage.url}, or embed that again with yours: `deglu embed SPEC --set output=ANOTHER`, "
        "then `deglu index SPEC`"
    )


def checked_queries(queries: FloatArray, width: int) -> FloatArray:
    """float32 [q, D].  Raises InputError for another shape, or naming the first NaN, infinite or zero row."""
    array = np.asarray(queries, np.float32)
    if array.ndim != 2 or array.shape[1] != width:
        raise InputError(f"queries have shape {array.shape}; this index takes [any number, {width}]")
    norms = np.linalg.norm(array, axis=1)
    wrong = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
    if len(wrong):
        raise InputError(f"query {wrong[0]} is zero or holds NaN or infinite values; was its speech or text empty?")
    return array


def _checked_exclude(exclude: Exclude | None, q: int) -> list[IntArray]:
    if exclude is None:
        return [np.empty(0, np.int64)] * q
    if len(exclude) != q:
        raise InputError(f"exclude has {len(exclude)} lists of ids for {q} queries; give one for each")
    return [np.asarray(ids, np.int64).reshape(-1) for ids in exclude]


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise InputError(f"{name} = {value}: must be at least 1")
    return value


def _no_hits(q: int) -> Hits:
    return top(np.empty((q, 0), np.int64), np.empty((q, 0), np.float32), 0)


def _by_modality(segments: Sequence[Segment]) -> Mapping[str, list[Segment]]:
    groups: dict[str, list[Segment]] = {}
    for segment in segments:
        groups.setdefault(segment.modality, []).append(segment)
    return groups
