"""Catalogues: tables (.csv, .tsv, .jsonl) with a row for each file; a column has its name, the others are metadata."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from embed.errors import InputError
from embed.file_kinds import is_json_lines
from embed.text.csv_rows import CsvRows
from embed.text.documents import Broken, plain_fields, refuse_halves
from embed.text.gzipped import encoding_of
from embed.text.jsonl import first_records, records

FILE = "file"
_FILES = (FILE, "file_name", "filename", "path")  # where the column is not declared
_PLAIN = frozenset({
    "title", "date", "lang", "language", "artist", "album", "creator", "description", "comment", "identifier", "rights",
})  # fmt: skip


class Row(NamedTuple):
    line: int
    name: str  # of the file, as it is written
    fields: dict[str, str]


def read_catalogue(
    url: str, version: str, columns: Mapping[str, str], encoding: str | None = None
) -> Iterator[Row | Broken]:
    """Rows in their order.  Raises InputError where there is no file, or a declared column is missing."""
    encoding = encoding_of(url, encoding)
    if is_json_lines(url):
        names = dict.fromkeys(name for record in first_records(url, version, encoding) for name in record)
        yield from _rows(records(url, version, encoding), _mapping(url, names, columns))
        return
    table = CsvRows(url, encoding)
    try:
        mapping = _mapping(url, table.names, columns)
        yield from _rows(((table.line, found) for _, found in table.read(0, None)), mapping)
    finally:
        table.close()


def _rows(lines: Iterable[tuple[int, dict[str, Any] | Broken]], mapping: Mapping[str, str]) -> Iterator[Row | Broken]:
    for line, found in lines:
        if isinstance(found, Broken):
            yield found
            continue
        try:
            yield _row(line, found, mapping)
        except ValueError as error:
            yield Broken(f"line {line}: {error}", line - 1, line)


def _mapping(url: str, names: Iterable[str], columns: Mapping[str, str]) -> dict[str, str]:
    """The name of a field by the name of its column; raises InputError for a missing column."""
    existing = list(names)
    shown = ", ".join(map(repr, existing[:20])) or "none"
    for part, name in columns.items():
        if name not in existing:
            raise InputError(f"{url}: no column {name!r} for {part}; its columns are {shown}; correct `columns`")
    mapping = {name: part for part, name in columns.items()}
    if FILE not in columns:
        named = [name for one in _FILES for name in existing if name.strip().casefold() == one]
        if not named:
            raise InputError(
                f"{url}: no column {FILE!r} with the names of the files; its columns are {shown}; name it with"
                f" `{{catalogue: ..., columns: {{{FILE}: ...}}}}`"
            )
        mapping[named[0]] = FILE
    for name in existing:
        mapping.setdefault(name, name.strip().lower() if name.strip().lower() in _PLAIN else name)
    return mapping


def _row(line: int, record: dict[str, Any], mapping: Mapping[str, str]) -> Row:
    fields = plain_fields({mapping.get(name, name): value for name, value in record.items()})
    name = fields.pop(FILE, "").strip()
    if not name:
        raise ValueError(f"no {FILE}")
    texts = {key: text.strip() for key, text in fields.items() if text.strip()}
    refuse_halves(name, *texts, *texts.values())
    return Row(line, name, texts)
