"""Sounds inside Parquet tables, as Hugging Face's `datasets` writes them: a column of structs of bytes and path.

`<url of the table>#row=12` is the url of a sound, and is opened as any recording; `#row=12&column=clip` where the
input names the column.  A worker keeps a table open, since a row can be reached only through the rows before it in its
group.
"""

import io
import json
import re
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.types as types

from embed.errors import InputError
from embed.storage import store
from embed.storage.window import window_of
from embed.text.documents import Broken
from embed.text.open_files import OpenFiles
from embed.text.parquet_rows import ParquetRows

ROW = "#row="
_PLACE = re.compile(r"(.*)#row=(\d+)(?:&column=(.+))?", re.DOTALL)
_NAME = "audio"  # of the column, where the table does not describe its columns
_ROWS = 8  # at a time: a sound may have megabytes


class Place(NamedTuple):
    """Where a sound is: its table, its row from 0, and the column where the input names one."""

    table: str
    row: int
    column: str | None = None

    def url(self) -> str:
        return f"{self.table}{ROW}{self.row}{f'&column={self.column}' if self.column else ''}"


def place_of(url: str) -> Place | None:
    """The place of a sound in a table; None of any other url."""
    found = _PLACE.fullmatch(url)
    return Place(found[1], int(found[2]), found[3]) if found else None


def sound_column(schema: pa.Schema, named: str | None = None) -> str | None:
    """The column of sounds; None where there is none, e.g. where the structs hold pictures.

    One that is `named` may also hold bytes alone.
    """
    if named is not None:
        kind = schema.field(named).type if named in schema.names else pa.null()
        return named if _holds_files(kind, ("bytes",)) or _is_bytes(kind) else None
    structs = [field.name for field in schema if _holds_files(field.type)]
    described = _described(schema)
    if described:
        return next((name for name in structs if described.get(name, {}).get("_type") == "Audio"), None)
    return _NAME if _NAME in structs else None


def bytes_of(schema: pa.Schema, column: str) -> str:
    """The name of the bytes of a column of sounds."""
    return f"{column}.bytes" if types.is_struct(schema.field(column).type) else column


def open_recording(url: str) -> BinaryIO:
    """A seekable stream of a recording: a file, a member of a tar, or a sound in a table.

    Raises InputError where there is none.
    """
    place = None if window_of(url) else place_of(url)
    if place is None:
        return store.open_input(url)
    key = (place.table, place.column, *(entry.etag or entry.mtime for entry in store.inputs(place.table)))
    sounds = _OPEN.take(key) or _Sounds(place.table, place.column)
    try:
        data = sounds.of(place.row)
    except BaseException:
        sounds.close()
        raise
    _OPEN.keep(key, sounds)
    if not data:
        raise InputError(f"{url}: the row has no sound; its table must hold the bytes, not paths alone")
    return io.BytesIO(data)


def _described(schema: pa.Schema) -> dict[str, Any]:
    """The columns as `datasets` describes them in the file."""
    try:
        found: dict[str, Any] = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {name: one for name, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def _holds_files(kind: pa.DataType, names: tuple[str, ...] = ("bytes", "path")) -> bool:
    """Whether the values are records of a file's bytes; these may be null where there are only paths."""
    if not types.is_struct(kind):
        return False
    fields = {kind.field(at).name: kind.field(at).type for at in range(kind.num_fields)}
    return set(names) <= set(fields) <= {"bytes", "path"} and (
        _is_bytes(fields["bytes"]) or types.is_null(fields["bytes"])
    )


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


class _Sounds:
    """The sounds of an open table, read forward; the last one is kept, as a recording is opened more than once."""

    def __init__(self, url: str, named: str | None) -> None:
        self._url, self._named = url, named
        self._rows = self._opened()
        self._last: tuple[int, bytes | None] = (-1, None)

    def of(self, row: int) -> bytes | None:
        if row < self._last[0]:
            self._rows.close()
            self._rows = self._opened()
        if row != self._last[0]:
            found = next((record for _, record in self._rows.read(row, row + 1)), {})
            values = {} if isinstance(found, Broken) else found
            self._last = (row, next((_data(value) for value in values.values() if value), None))
        return self._last[1]

    def close(self) -> None:
        self._rows.close()

    def _opened(self) -> ParquetRows:
        return ParquetRows(self._url, self._columns, _ROWS)

    def _columns(self, schema: pa.Schema) -> list[str]:
        column = sound_column(schema, self._named)
        return [] if column is None else [bytes_of(schema, column)]


def _data(value: Any) -> bytes | None:
    found: bytes | None = value["bytes"] if isinstance(value, dict) else value
    return found


_OPEN: OpenFiles[_Sounds] = OpenFiles(2)
