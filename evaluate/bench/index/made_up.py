"""Made-up vectors for benches of the index, where real ones would take hours, and a real index of them.

Unit rows whose energy falls along the dimensions, like those of an encoder with a nesting transform.  Their neighbours
may be farther apart in rank than real ones: only `evaluate.bench.index.__main__` measures speeds at equal recall.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from embed import tables
from embed.encoder import FloatArray, truncate
from embed.identity import digest
from embed.tables import ID, TEXT
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
SPACE = "made-up"


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


def table_of(vectors: FloatArray, space: str = SPACE) -> pa.Table:
    """`embed.tables.rows(D)` of unit rows [n, D], in their order.  Every row is a document of its own."""
    count, width = vectors.shape
    schema = tables.rows(width)
    ids = pa.array([digest("row", i) for i in range(count)], ID)
    given = {
        "segment_id": ids,
        "asset_id": ids,
        "unit_id": ids,
        "uri": pa.array([f"made-up/{i}" for i in range(count)]),
        "content_version": pa.array(["1"] * count),
        "modality": pa.array([TEXT] * count),
        "space": pa.array([space] * count),
        "encoder": pa.array(["made-up"] * count),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).reshape(-1)), width),
    }
    columns = [given.get(field.name, pa.nulls(count, field.type)).cast(field.type) for field in schema]
    return pa.table(columns, schema=schema)
