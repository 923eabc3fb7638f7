"""Made-up vectors for benches of the index, where real ones would take hours, and a real index of them.

Unit rows whose energy falls along the dimensions, like those of an encoder with a nesting transform.  Their neighbours
may be farther apart in rank than real ones: only `evaluate.bench.index.__main__` measures speeds at equal recall.
"""

from typing import Any

import numpy as np

from embed.encoder import FloatArray, truncate
from evaluate.bench.index.vectors_table import SPACE, table_of
from index.ask.searcher import Index, open_index
from index.building.build import build
from index.contracts import IntArray, SearchRequest
from index.faiss_library import library
from index.parts.artifact import Lineage
from index.spec import IndexSpec
from index.table_vectors import TableVectors

WIDTH, PREFIX = 384, 128
K = 10
SEED = 7


def nearest(ours: Index, queries: FloatArray, k: int) -> IntArray:
    """The k nearest ids [q, k]."""
    return ours.search(queries, SearchRequest(k, "text")).ids


def index_of(rows: FloatArray, folder: str) -> Index:
    """An index as `deglu index` builds it, with the default recall."""
    spec = IndexSpec(vectors="made-up", output=folder)
    vectors = TableVectors(table_of(rows), (WIDTH, PREFIX), SPACE)
    build(spec, vectors, Lineage(url="made-up", version=1, sha256=None, settings={}))
    return open_index(folder)


def numbers_of(ours: Index) -> IntArray:
    """The row number of each id: an index has its own order of rows."""
    return np.array([int(uri.rpartition("/")[2]) for uri in ours.rows(range(len(ours)))["uri"].to_pylist()], np.int64)


def exact(rows: FloatArray) -> Any:
    """faiss' flat index over the same rows."""
    index = library().IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index


def made_up(n: int, rng: np.random.Generator) -> FloatArray:
    """Unit rows [n, 384] whose variance falls as 1 / (1 + dimension)."""
    normal = rng.standard_normal((n, WIDTH)) / np.sqrt(1 + np.arange(WIDTH))
    return truncate(normal.astype(np.float32), WIDTH)


def shared(found: IntArray, true: IntArray) -> float:
    """Mean share of each row of `true` [q, k] that is in the same row of `found`."""
    return float(np.mean([np.isin(row, other).mean() for row, other in zip(true, found, strict=True)]))
