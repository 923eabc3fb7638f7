"""The index beside faiss' exact flat one, on one thread, in batches and one question at a time.

The vectors are made up, since encoding so many takes hours here: unit rows whose energy falls along the dimensions, as
those of an encoder with a nesting transform do.  Their neighbours are farther apart in rank than real ones may be.
"""

import sys
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from embed.encoder import FloatArray, truncate
from evaluate.bench.command import run_one
from evaluate.bench.shape import Row, document
from evaluate.bench.table_vectors import TableVectors
from evaluate.bench.timing import interleaved, one_thread
from index.artifact import PROVENANCE_COPY, Lineage
from index.build import build
from index.contracts import IntArray
from index.faiss_library import library
from index.search import Index, open_index
from index.spec import IndexSpec

ROWS, WIDTH, PREFIX = 50_000, 384, 128
QUERIES, SINGLY, K = 1_000, 50, 10
FLOAT32_BYTES = 4
SEED = 7
PEER = "faiss IndexFlatIP, exact, all dims"


def bench(n: int | None = None) -> dict[str, Any]:
    """n rows; never more questions than rows."""
    count = n or ROWS
    rng = np.random.default_rng(SEED)
    rows, queries = made_up(count, rng), made_up(min(QUERIES, count), rng)
    with one_thread(), TemporaryDirectory() as folder:
        found = search_rows(index_of(rows, folder), exact(rows), queries)
    return document("search", found, ("faiss-cpu", "faiss-gpu"))


def search_rows(ours: Index, theirs: Any, queries: FloatArray) -> list[Row]:
    """Speed of both at the recall that ours has against theirs, and what a row takes in memory."""
    k = min(K, len(ours))
    recall = shared(numbers_of(ours)[nearest(ours, queries, k)], theirs.search(queries, k)[1])
    what = f"recall@{k} {recall:.3f}, made-up vectors {len(ours)} x {WIDTH}"
    few = queries[:SINGLY]
    batch = interleaved({"ours": lambda: nearest(ours, queries, k), "theirs": lambda: theirs.search(queries, k)})
    singly = interleaved(
        {
            "ours": lambda: [nearest(ours, few[i : i + 1], k) for i in range(len(few))],
            "theirs": lambda: [theirs.search(few[i : i + 1], k) for i in range(len(few))],
        }
    )
    return [
        _speed(f"qps batch of {len(queries)}, {what}", len(queries), batch),
        _speed(f"qps one at a time, {what}", len(few), singly),
        Row(
            f"memory and mapped files, {what}",
            PEER,
            stored_bytes(ours) / len(ours),
            WIDTH * FLOAT32_BYTES,
            "bytes/vector",
            lower_is_better=True,
        ),
    ]


def _speed(measure: str, questions: int, spent: dict[str, float]) -> Row:
    return Row(measure, PEER, questions / spent["ours"], questions / spent["theirs"], "queries/cpu-s")


def nearest(ours: Index, queries: FloatArray, k: int) -> IntArray:
    """ids [q, k]."""
    return ours.search(queries, k, modality="text").ids


def index_of(rows: FloatArray, folder: str) -> Index:
    """As `deglu index` builds it, for the recall that it promises by default."""
    spec = IndexSpec(vectors="made-up", output=folder)
    build(spec, TableVectors(rows, (WIDTH, PREFIX)), Lineage(url="made-up", version=1, sha256=None, settings={}))
    return open_index(folder)


def numbers_of(ours: Index) -> IntArray:
    """Which row each id stands for: an index orders its rows as it likes."""
    return np.array([int(uri.rpartition("/")[2]) for uri in ours.rows(range(len(ours)))["uri"].to_pylist()], np.int64)


def stored_bytes(ours: Index) -> int:
    """Of all that a search may read; provenance is not."""
    files = [(name, file.bytes) for part in ours.manifest.parts for name, file in part.files.items()]
    return sum(size for name, size in files if name != PROVENANCE_COPY)


def exact(rows: FloatArray) -> Any:
    """faiss' flat index over the same rows."""
    index = library().IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index


def made_up(n: int, rng: np.random.Generator) -> FloatArray:
    """Unit rows [n, 384] whose variance falls as 1 / (1 + dimension)."""
    normal = rng.standard_normal((n, WIDTH)) / np.sqrt(1 + np.arange(WIDTH))
    return truncate(normal.astype(np.float32), WIDTH)


def shared(found: IntArray, wanted: IntArray) -> float:
    """Mean share of each row of `wanted` [q, k] that is in the same row of `found`."""
    return float(np.mean([np.isin(row, other).mean() for row, other in zip(wanted, found, strict=True)]))


if __name__ == "__main__":
    sys.exit(run_one("search", bench))
