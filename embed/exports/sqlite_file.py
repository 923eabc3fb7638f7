"""SQLite with sqlite-vec: one file, to which each part is added in one transaction.

rows      provenance, one row a segment; rowid is the key
vectors   a vec0 table with the same rowids: `where vector match :query and k = 10`
parts     parts that are in the file completely
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from embed.errors import SpecError
from embed.exports.rows import export_schema, values_of
from embed.exports.targets import Rows
from embed.storage.store import local_path

FILE = "vectors.db"
MOST_DIMS = 8_192  # of a vector in sqlite-vec
CURE = "pip install apsw sqlite-vec, or pip install -e '.[export]'"
_TYPES = {pa.string(): "text", pa.float64(): "real", pa.int64(): "integer"}


def sqlite_file(folder: str, dim: int) -> "SqliteFile":
    """Raises SpecError where a library is missing, the folder is remote, or the width is too large."""
    try:
        import apsw  # Python's own sqlite3 is often built without extensions
        import sqlite_vec
    except ImportError:
        raise SpecError(f"--to sqlite-vec requires the libraries apsw and sqlite-vec: {CURE}") from None
    path = local_path(folder)
    if path is None:
        raise SpecError(f"{folder}: an SQLite file is written to a local folder; copy it to its place afterwards")
    if dim > MOST_DIMS:
        raise SpecError(f"--to sqlite-vec takes at most {MOST_DIMS} dims; choose a smaller --dim")
    path.mkdir(parents=True, exist_ok=True)
    connection = apsw.Connection(str(path / FILE))
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    connection.enable_load_extension(False)
    return SqliteFile(connection, path / FILE, dim)


class SqliteFile:
    """A `Target`."""

    tables = None

    def __init__(self, connection: Any, path: Path, dim: int) -> None:
        self._connection, self._path = connection, path
        self._schema = export_schema(dim)
        self._fields = [field for field in self._schema if field.name != "vector"]
        columns = ", ".join(f'"{field.name}" {_column(field)}' for field in self._fields)
        with connection:
            connection.execute("create table if not exists parts (name text primary key, rows integer not null)")
            connection.execute(f"create table if not exists rows ({columns})")
            connection.execute(
                f"create virtual table if not exists vectors using vec0(vector float[{dim}] distance_metric=cosine)"
            )

    def written(self) -> dict[str, int]:
        return dict(self._connection.execute("select name, rows from parts"))

    def write(self, part: str, place: int, rows: Rows) -> int:
        marks = ", ".join("?" * len(self._fields))
        count = 0
        with self._connection:
            first = next(self._connection.execute("select coalesce(max(rowid), 0) + 1 from rows"))[0]
            for batch in rows:
                ids = range(first + count, first + count + batch.num_rows)
                values = zip(*(batch[field.name].to_pylist() for field in self._fields), strict=True)
                names = ", ".join(f'"{field.name}"' for field in self._fields)
                self._connection.executemany(
                    f"insert into rows (rowid, {names}) values (?, {marks})",
                    ((number, *row) for number, row in zip(ids, values, strict=True)),
                )
                vectors = values_of(batch["vector"]).astype("<f4")
                self._connection.executemany(
                    "insert into vectors (rowid, vector) values (?, ?)",
                    ((number, vector.tobytes()) for number, vector in zip(ids, vectors, strict=True)),
                )
                count += batch.num_rows
            self._connection.execute("insert into parts values (?, ?)", (part, count))
        return count

    def finish(self) -> list[str]:
        self._connection.close()
        return [
            f"open it    sqlite3 {self._path}, with the extension sqlite-vec",
            "ask        select r.uri, r.text, v.distance from vectors v join rows r on r.rowid = v.rowid "
            "where v.vector match ? and k = 10",
        ]


def _column(field: pa.Field) -> str:
    key = " unique" if field.name == "id" else ""
    return _TYPES[field.type] + ("" if field.nullable else " not null") + key
