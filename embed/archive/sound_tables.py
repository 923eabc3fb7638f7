"""Tables with sound (.parquet): every row is an asset, a recording with the text, language and metadata of its row.

    id | audio: {bytes, path} | sentence            as Hugging Face's `datasets` writes speech

The uri of a row is `<name>/<path>#row=12`, from 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from embed.audio.table_sounds import sound_column
from embed.errors import InputError
from embed.text.documents import Broken, plain_fields
from embed.text.parquet_rows import ParquetRows, plain_columns

TEXTS = ("text", "transcription", "sentence", "transcript")
_LANGS = ("lang", "language")


@dataclass(frozen=True)
class TableSound:
    text: str | None = None
    lang: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


def num_sounds(url: str) -> int | None:
    """Rows of a table with a column of sounds; None for any other table.  Raises InputError for a damaged one."""
    table = ParquetRows(url)
    try:
        return table.num_rows if sound_column(table.schema) else None
    finally:
        table.close()


def read_sounds(url: str, columns: Mapping[str, str]) -> Iterator[TableSound]:
    """All rows, without their sound; where the table is damaged, each of the rest has it as its problem."""
    table = ParquetRows(url, _all_but_sounds)
    try:
        for _, found in table.read(0, None):
            if isinstance(found, Broken):
                yield TableSound(problem=f"InputError: {url}: {found.reason}")
            else:
                yield described(found, columns, sound_column(table.schema) or "")
    except InputError as error:
        for _ in range(table.at, table.num_rows):
            yield TableSound(problem=f"InputError: {error}")
    finally:
        table.close()


def _all_but_sounds(schema: pa.Schema) -> list[str]:
    sounds = sound_column(schema)
    return [f"{name}.path" if name == sounds else name for name in plain_columns(schema)]


def described(
    record: dict[str, Any], columns: Mapping[str, str], sounds: str = "", texts: Sequence[str] = TEXTS
) -> TableSound:
    """Text, language and metadata in the fields of a record; `sounds` is the one that holds the sound."""
    text, lang = (_first(record, part, columns, names) for part, names in (("text", texts), ("lang", _LANGS)))
    taken = {name for name, _ in (text, lang)}
    path = (record.get(sounds) or {}).get("path")
    about = plain_fields(record, taken)
    return TableSound(text[1], lang[1], {**({"path": path} if path else {}), **about})


def _first(
    record: Mapping[str, Any], part: str, columns: Mapping[str, str], names: Sequence[str]
) -> tuple[str, str | None]:
    """The field of a row that holds its text or language, and the value."""
    for name in (columns.get(part, ""), *names):
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            return name, value
    return "", None
