"""PostgreSQL with pgvector: CSV files for COPY, and `load.sql`, which makes the table and loads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from embed.exports.files import Files
from embed.exports.rows import export_schema
from embed.exports.targets import Rows
from embed.exports.texts import as_texts

TABLE = "deglu_vectors"
_TYPES = {pa.string(): "text", pa.float64(): "double precision", pa.int64(): "bigint"}
MOST_INDEXED = 2_000  # dims of a `vector` that an HNSW index of pgvector takes; up to twice as many as half precision


def postgres(folder: str, dim: int) -> Files:
    """Source: pgvector's README, "Loading" and "Indexing"."""
    return Files(folder, _Copy(dim))


@dataclass(frozen=True)
class _Copy:
    dim: int
    suffixes: Sequence[str] = (".csv",)
    piece_rows: int | None = None

    def write(self, paths: Sequence[Path], rows: Rows) -> None:
        schema = export_schema(self.dim)
        place = schema.get_field_index("vector")
        schema = schema.set(place, pa.field("vector", pa.string(), nullable=False))
        # Strings are in quotes, a null is an empty field without quotes: what COPY expects.
        options = csv.WriteOptions(include_header=False, quoting_style="needed")
        with csv.CSVWriter(paths[0], schema, write_options=options) as writer:
            for batch in rows:
                columns = [_without_nul(batch[name]) for name in schema.names if name != "vector"]
                columns.append(pa.array(as_texts(batch["vector"])))
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))

    def extras(self, files: Sequence[str]) -> dict[str, str]:
        columns = ",\n".join(f'  "{field.name}" {self._type(field)}' for field in export_schema(self.dim))
        copies = "\n".join(f"\\copy {TABLE} from '{name}' with (format csv, encoding 'utf8')" for name in files)
        return {
            "load.sql": f"create extension if not exists vector;\nbegin;\ncreate table {TABLE} (\n{columns}\n);\n"
            f"{copies}\ncommit;\n{self._index()}\nanalyze {TABLE};\n"
        }

    def advice(self, folder: str) -> list[str]:
        return [
            f"load       cd {quote(folder)} && psql -v ON_ERROR_STOP=1 -f load.sql DATABASE",
            f"ask        select id, uri, text from {TABLE} order by vector <=> '[...]' limit 10",
        ]

    def _type(self, field: pa.Field) -> str:
        if field.name in ("vector", "metadata"):
            return f"vector({self.dim}) not null" if field.name == "vector" else "jsonb"
        key = " primary key" if field.name == "id" else ""
        return _TYPES[field.type] + key + ("" if field.nullable or key else " not null")

    def _index(self) -> str:
        if self.dim <= MOST_INDEXED:
            return f"create index on {TABLE} using hnsw (vector vector_cosine_ops);"
        if self.dim <= 2 * MOST_INDEXED:
            return f"create index on {TABLE} using hnsw ((vector::halfvec({self.dim})) halfvec_cosine_ops);"
        return f"-- no index: HNSW takes at most {2 * MOST_INDEXED} dims"


def _without_nul(column: pa.Array) -> pa.Array:
    """PostgreSQL's texts and JSON cannot contain the character NUL: it is left out."""
    if column.type != pa.string():
        return column
    return pc.replace_substring(pc.replace_substring(column, "\0", ""), "\\u0000", "")
