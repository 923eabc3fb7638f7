"""One immutable stretch of rows of one modality, searched in two stages.

1. shortlist: cosine of the queries' and rows' renormalised prefixes, every row read, by faiss
2. rank: cosine at the asked width, for the shortlist's candidates only

Below the shortlist's own width nothing can be saved; then every row is read at that width, exactly.
"""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray, truncate
from embed.errors import StorageError
from index.artifact import PREFIX, ROWS
from index.contracts import NO_ID, Hits, IntArray, StageCost
from index.faiss_library import library, to_gpu
from index.neighbours import scan, top, unit_rows

FLOAT32_BYTES, FLOAT16_BYTES = 4, 2
RANK_BYTES = 1 << 20  # Candidates are gathered in blocks that stay in the cache: 1.3 times as fast as 16 MB, 1.6 as 64.
GPU_MOST_CANDIDATES = 2048  # faiss' limit on a GPU; deeper shortlists are made on the CPU.


class Segment:
    """Prefix index and rows of one segment.  Safe to search from several threads."""

    def __init__(self, modality: str, first_id: int, prefix: Any, rows: NDArray[Any], gpu: bool = False) -> None:
        """`prefix` is a faiss inner-product index over the unit prefixes of `rows` [n, D], in their order."""
        self.modality, self.first_id, self.rows = modality, first_id, rows
        self._prefix = prefix
        self._gpu = to_gpu(prefix) if gpu else None
        self._gpu_lock = threading.Lock()  # faiss' GPU resources serve one thread at a time

    @classmethod
    def load(cls, folder: Path, modality: str, first_id: int, gpu: bool = False) -> "Segment":
        """Rows stay on disk, mapped; the prefixes are read.  Raises StorageError for files that are no index."""
        try:
            prefix = library().read_index(str(folder / PREFIX))
            rows = np.load(folder / ROWS, mmap_mode="r", allow_pickle=False)
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise StorageError(f"{folder}: unreadable segment ({reason}); build the index again") from None
        return cls(modality, first_id, prefix, rows, gpu)

    @property
    def shortlist_dim(self) -> int:
        return int(self._prefix.d)

    def search(
        self, queries: FloatArray, k: int, dim: int, depth: int, exclude: Sequence[IntArray]
    ) -> tuple[Hits, list[StageCost]]:
        """The k best by cosine at `dim` of queries [q, D]; ids are the index's, so are those in `exclude` (q lists)."""
        hidden = [np.asarray(ids, np.int64) - self.first_id for ids in exclude]
        if dim < self.shortlist_dim:
            hits, costs = self._scanned(queries, k, dim, hidden)
        else:
            hits, costs = self._two_stages(queries, k, dim, max(depth, k), hidden)
        return Hits(np.where(hits.ids == NO_ID, NO_ID, hits.ids + self.first_id), hits.scores), costs

    def _scanned(
        self, queries: FloatArray, k: int, dim: int, hidden: Sequence[IntArray]
    ) -> tuple[Hits, list[StageCost]]:
        def mask(scores: FloatArray, first: int) -> None:
            for row, positions in zip(scores, hidden, strict=True):
                here = positions[(positions >= first) & (positions < first + scores.shape[1])]
                row[here - first] = -np.inf

        started = time.perf_counter()
        hits = scan(queries, self.rows, k, dim, mask)
        return hits, [self._cost("scan", dim, len(self.rows), self.rows.shape[1] * FLOAT16_BYTES, started)]

    def _two_stages(
        self, queries: FloatArray, k: int, dim: int, depth: int, hidden: Sequence[IntArray]
    ) -> tuple[Hits, list[StageCost]]:
        started = time.perf_counter()
        candidates = self._shortlist(queries, depth, hidden)
        width = self.shortlist_dim
        costs = [self._cost("shortlist", width, len(self.rows), width * FLOAT32_BYTES, started)]
        started = time.perf_counter()
        hits = self._rank(queries, candidates, k, dim)
        costs.append(self._cost("rank", dim, candidates.shape[1], self.rows.shape[1] * FLOAT16_BYTES, started))
        return hits, costs

    def _shortlist(self, queries: FloatArray, depth: int, hidden: Sequence[IntArray]) -> IntArray:
        """Positions [q, c] of the `depth` best prefixes that are not hidden; -1 fills."""
        # Hidden rows may all be among the best: ask for as many more, so that `depth` others are left.
        spare = max((len(positions) for positions in hidden), default=0)
        found = self._nearest_prefixes(queries, min(depth + spare, len(self.rows)))
        for row, positions in zip(found, hidden, strict=True):
            kept = row[~np.isin(row, positions)][:depth]
            row[: len(kept)], row[len(kept) :] = kept, NO_ID
        return found[:, :depth]

    def _nearest_prefixes(self, queries: FloatArray, count: int) -> IntArray:
        prefixes = np.ascontiguousarray(truncate(queries, self.shortlist_dim))
        found: IntArray
        if self._gpu is None or count > GPU_MOST_CANDIDATES:
            _, found = self._prefix.search(prefixes, count)
        else:
            with self._gpu_lock:
                _, found = self._gpu[0].search(prefixes, count)
        return found

    def _rank(self, queries: FloatArray, candidates: IntArray, k: int, dim: int) -> Hits:
        unit = truncate(queries, dim)
        block = max(1, RANK_BYTES // (max(1, candidates.shape[1]) * dim * FLOAT32_BYTES))
        scores = np.empty(candidates.shape, np.float32)
        for first in range(0, len(unit), block):
            some = slice(first, first + block)
            rows = unit_rows(self.rows[candidates[some]], dim)
            scores[some] = np.einsum("qcd,qd->qc", rows, unit[some])
        return top(candidates, scores, k)

    def _cost(self, stage: str, dim: int, rows: int, row_bytes: int, started: float) -> StageCost:
        return StageCost(stage, self.modality, dim, rows, rows * row_bytes, time.perf_counter() - started)


def prefix_index(rows: NDArray[Any], dim: int, chunk: int = 16_384) -> Any:
    """The shortlist's index over rows [n, D]: unit prefixes, float32.

    Flat float32 is the plain beginning: batches go through one matrix product, and it moves to a GPU as it is.
    The codes that spend bits before dims come with the calibrated ladder, in the same file.
    """
    index = library().IndexFlatIP(dim)
    for first in range(0, len(rows), chunk):
        index.add(unit_rows(rows[first : first + chunk], dim))
    return index
