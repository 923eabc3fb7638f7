"""Tables with sound (.parquet): every row is an asset, a recording with the text, language and metadata of its row.

    id | audio: {bytes, path} | sentence            as Hugging Face's `datasets` writes speech

The uri of a row is `<name>/<path>#row=12`, from 0.  Where the table has paths and no bytes at all, the rows are the
files of these paths, relative to the table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.types as types

from embed.audio.table_sounds import bytes_of, sound_column
from embed.errors import AbsentColumn, InputError
from embed.text.documents import Broken, field_at, plain_fields
from embed.text.parquet_rows import ParquetRows, plain_columns

AUDIO = "audio"  # the part of `columns` that names the sounds
TEXTS = ("text", "transcription", "sentence", "transcript")
_LANGS = ("lang", "language")


@dataclass(frozen=True)
class TableSound:
    text: str | None = None
    lang: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    path: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class SoundTable:
    """A table with sounds: its number of rows, and whether they have paths alone."""

    rows: int
    has_paths_alone: bool


def sounds_in(url: str, columns: Mapping[str, str]) -> SoundTable | None:
    """None for a table without sounds.

    Raises InputError for a damaged one, AbsentColumn where `columns` names the sounds and the table lacks one of them.
    """
    table = ParquetRows(url)
    try:
        _refuse_absent(url, table.schema, columns)
        column = sound_column(table.schema, columns.get(AUDIO))
        if column is None:
            return None
        has_paths_alone = bytes_of(table.schema, column) != column and table.is_null(column, "bytes")
        return SoundTable(table.num_rows, has_paths_alone and table.num_rows > 0)
    finally:
        table.close()


def read_sounds(url: str, columns: Mapping[str, str]) -> Iterator[TableSound]:
    """All rows, without their sound; where the table is damaged, each of the rest has it as its problem."""
    named = columns.get(AUDIO)
    table = ParquetRows(url, lambda schema: _all_but_sounds(schema, named))
    try:
        for _, found in table.read(0, None):
            if isinstance(found, Broken):
                yield TableSound(problem=f"InputError: {url}: {found.reason}")
            else:
                yield described(found, columns, sound_column(table.schema, named) or "")
    except InputError as error:
        for _ in range(table.at, table.num_rows):
            yield TableSound(problem=f"InputError: {error}")
    finally:
        table.close()


def _refuse_absent(url: str, schema: pa.Schema, columns: Mapping[str, str]) -> None:
    """AbsentColumn, with the existing names, where the input names the sounds and the table is another one."""
    if AUDIO not in columns:
        return  # perhaps the names are those of other tables of the input
    for part, name in columns.items():
        if name not in schema.names and name.partition(".")[0] not in schema.names:
            names = ", ".join(map(repr, schema.names[:20]))
            raise AbsentColumn(f"{url}: no column {name!r} for {part}; the columns are {names}")
    if sound_column(schema, columns[AUDIO]) is None:
        kind = schema.field(columns[AUDIO]).type
        raise AbsentColumn(
            f"{url}: column {columns[AUDIO]!r} holds {kind}, which is no sound: it must hold the bytes of a file, or a"
            " record of bytes and path, one sound a row"
        )


def _all_but_sounds(schema: pa.Schema, named: str | None) -> list[str]:
    """Columns with values for people, and the path; other files and bytes may be large."""
    sounds = sound_column(schema, named)
    found = []
    for name in plain_columns(schema):
        kind = schema.field(name).type
        if name == sounds or (types.is_struct(kind) and kind.get_field_index("bytes") >= 0):
            found += [f"{name}.path"] if types.is_struct(kind) and kind.get_field_index("path") >= 0 else []
        elif not (types.is_binary(kind) or types.is_large_binary(kind)):
            found.append(name)
    return found


def described(
    record: dict[str, Any], columns: Mapping[str, str], sounds: str = "", texts: Sequence[str] = TEXTS
) -> TableSound:
    """Text, language and metadata in the fields of a record; `sounds` is the one that holds the sound."""
    text, lang = (_first(record, part, columns, names) for part, names in (("text", texts), ("lang", _LANGS)))
    path = (record.get(sounds) or {}).get("path")
    about = {**({"path": path} if path else {}), **plain_fields(record, {text[0], lang[0]})}
    named = {part: field_at(record, columns[part]) for part in ("id", "title") if part in columns}
    return TableSound(text[1], lang[1], {**about, **plain_fields(named)}, path)


def _first(
    record: Mapping[str, Any], part: str, columns: Mapping[str, str], names: Sequence[str]
) -> tuple[str, str | None]:
    """The field of a row that holds its text or language, and the value."""
    for name in (columns.get(part, ""), *names):
        value = field_at(record, name)
        if isinstance(value, str) and value.strip():
            return name, value
    return "", None
