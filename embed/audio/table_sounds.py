"""Sounds inside Parquet tables, as Hugging Face's `datasets` writes them: a column of structs of bytes and path.

`<url of the table>#row=12` is the url of a sound, and is opened as any recording.  A worker keeps a table open, since
a row can be reached only through the rows before it in its group.
"""

import io
import json
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.types as types

from embed.errors import InputError
from embed.storage import store
from embed.text.documents import Broken
from embed.text.open_files import OpenFiles
from embed.text.parquet_rows import ParquetRows

ROW = "#row="
_NAME = "audio"  # of the column, where the table does not describe its columns
_ROWS = 8  # at a time: a sound may have megabytes


def sound_column(schema: pa.Schema) -> str | None:
    """The column of sounds; None where there is none, e.g. where the structs hold pictures."""
    structs = [field.name for field in schema if _holds_files(field.type)]
    described = _described(schema)
    if described:
        return next((name for name in structs if described.get(name, {}).get("_type") == "Audio"), None)
    return _NAME if _NAME in structs else None


def open_recording(url: str) -> BinaryIO:
    """A seekable stream of a recording: a file, or a sound in a table.  Raises InputError where there is none."""
    table, mark, row = url.rpartition(ROW)
    if not mark or not row.isdigit():
        return store.open_input(url)
    key = (table, *(entry.etag or entry.mtime for entry in store.inputs(table)))
    sounds = _OPEN.take(key) or _Sounds(table)
    try:
        data = sounds.of(int(row))
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


def _holds_files(kind: pa.DataType) -> bool:
    if not types.is_struct(kind):
        return False
    fields = {kind.field(at).name: kind.field(at).type for at in range(kind.num_fields)}
    return set(fields) == {"bytes", "path"} and (
        types.is_binary(fields["bytes"]) or types.is_large_binary(fields["bytes"])
    )


class _Sounds:
    """The sounds of an open table, read forward; the last one is kept, as a recording is opened more than once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rows = self._opened()
        self._last: tuple[int, bytes | None] = (-1, None)

    def of(self, row: int) -> bytes | None:
        if row < self._last[0]:
            self._rows.close()
            self._rows = self._opened()
        if row != self._last[0]:
            found = next((record for _, record in self._rows.read(row, row + 1)), {})
            values = {} if isinstance(found, Broken) else found
            self._last = (row, next((value["bytes"] for value in values.values() if value), None))
        return self._last[1]

    def close(self) -> None:
        self._rows.close()

    def _opened(self) -> ParquetRows:
        return ParquetRows(self._url, _bytes_of_sounds, _ROWS)


def _bytes_of_sounds(schema: pa.Schema) -> list[str]:
    column = sound_column(schema)
    return [] if column is None else [f"{column}.bytes"]


_OPEN: OpenFiles[_Sounds] = OpenFiles(2)
