"""Rows of an export: the provenance as plain columns that every store has, and the vector at the width asked for."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from embed.encoder import FloatArray, truncate

IDS = ("segment_id", "asset_id")
# Columns of PROVENANCE as they are; `segment_id` becomes `id`, the name that most stores give to a key.
PLAIN = ("uri", "modality", "lang", "start_s", "end_s", "start", "end", "item", "text")
READ = (*IDS, *PLAIN, "metadata", "vector")


def export_schema(dim: int) -> pa.Schema:
    """Columns of an export: `id` and `asset_id` as 32 hexadecimal digits, `metadata` as a JSON object or null.

    `vector` is float32 [dim], unit length.
    """
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("asset_id", pa.string(), nullable=False),
            pa.field("uri", pa.string(), nullable=False),
            pa.field("modality", pa.string(), nullable=False),
            pa.field("lang", pa.string()),
            pa.field("start_s", pa.float64()),
            pa.field("end_s", pa.float64()),
            pa.field("start", pa.int64()),
            pa.field("end", pa.int64()),
            pa.field("item", pa.string()),
            pa.field("text", pa.string()),
            pa.field("metadata", pa.string()),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
        ]
    )


def export_rows(batch: pa.RecordBatch, dim: int) -> pa.RecordBatch:
    """The same rows, in their order, as `export_schema`; the batch has the columns READ."""
    columns = [_hexadecimal(batch[name]) for name in IDS]
    columns += [batch[name] for name in PLAIN]
    columns += [_as_json(batch["metadata"]), _vectors(truncate(values_of(batch["vector"]), dim))]
    return pa.RecordBatch.from_arrays(columns, schema=export_schema(dim))


def values_of(vectors: pa.Array) -> FloatArray:
    """float32 [n, width] of a column of fixed-size lists."""
    flat: FloatArray = vectors.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    return flat.reshape(len(vectors), vectors.type.list_size)


def _vectors(values: FloatArray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def _hexadecimal(ids: pa.Array) -> pa.Array:
    return pa.array([one.hex() for one in ids.to_pylist()], pa.string())


def _as_json(metadata: pa.Array) -> pa.Array:
    return pa.array([_json(one) for one in metadata.to_pylist()], pa.string())


def _json(pairs: list[tuple[str, Any]] | None) -> str | None:
    return None if not pairs else json.dumps(dict(pairs), ensure_ascii=False)
