"""Parquet files for any reader, and for the bulk import of Milvus."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from embed.exports.files import DATA, Files
from embed.exports.rows import export_schema
from embed.exports.targets import Rows

ROW_GROUP = 16_384
REPEATING = ["asset_id", "uri", "modality", "lang", "item"]


def parquet(folder: str, dim: int) -> Files:
    """`vector` as a fixed-size list of float32: pyarrow and polars read it so, DuckDB as FLOAT[]."""
    return Files(folder, _Parquet(export_schema(dim), _no_extras, _duckdb))


def milvus(folder: str, dim: int) -> Files:
    """`vector` as a plain list, the form of a FloatVector in Milvus' bulk import; `collection.json` has the fields.

    Source: Milvus documentation, "Prepare Source Data" (Parquet).
    """
    schema = export_schema(dim)
    place = schema.get_field_index("vector")
    return Files(
        folder,
        _Parquet(
            schema.set(place, pa.field("vector", pa.list_(pa.float32()), nullable=False)),
            lambda files: {"collection.json": json.dumps(_collection(dim, files), indent=1)},
            lambda folder: [f"{folder}/collection.json has the fields of the collection and the files of the import"],
        ),
    )


@dataclass(frozen=True)
class _Parquet:
    schema: pa.Schema
    extras: Callable[[Sequence[str]], dict[str, str]]
    advice: Callable[[str], list[str]]
    suffixes: Sequence[str] = (".parquet",)
    piece_rows: int | None = None

    def write(self, paths: Sequence[Path], rows: Rows) -> None:
        with pq.ParquetWriter(paths[0], self.schema, compression="zstd", use_dictionary=REPEATING) as writer:
            for batch in rows:
                writer.write_table(pa.Table.from_batches([batch]).cast(self.schema), ROW_GROUP)


def _no_extras(files: Sequence[str]) -> dict[str, str]:
    return {}


def _duckdb(folder: str) -> list[str]:
    return [f"duckdb     select id, uri, text from '{folder}/{DATA}/*.parquet' limit 5"]


# Longest texts that Milvus takes in a VARCHAR.
_VARCHAR = 65_535
_TYPES = {pa.string(): "VARCHAR", pa.float64(): "DOUBLE", pa.int64(): "INT64"}


def _collection(dim: int, files: Sequence[str]) -> dict[str, Any]:
    fields = [_field(field) for field in export_schema(dim) if field.name != "vector"]
    vector = {"name": "vector", "type": "FLOAT_VECTOR", "dim": dim}
    index = {"field": "vector", "metric_type": "COSINE", "index_type": "AUTOINDEX"}
    return {"fields": [*fields, vector], "index": index, "files": [[name] for name in files]}


def _field(field: pa.Field) -> dict[str, Any]:
    made: dict[str, Any] = {"name": field.name, "type": _TYPES[field.type], "nullable": field.nullable}
    if field.type == pa.string():
        made["max_length"] = 32 if field.name == "id" else _VARCHAR
    return {**made, "is_primary": True} if field.name == "id" else made
