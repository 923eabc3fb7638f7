"""Documents of a .jsonl or .ndjson file, packed by gzip or not: one JSON object a line, as BEIR's corpus.jsonl.

A unit is a range of (unpacked) bytes; a line belongs to the unit in which it starts, and is read to its end.
"""

import codecs
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from embed.errors import InputError
from embed.text.documents import Broken, Columns, Document
from embed.text.gzipped import open_text

_LINE_BYTES = 1 << 26  # a longer line counts as broken, so that it does not fill the memory
_FIRST_LINES = 20  # lines, for the names of fields


def read_json_lines(
    url: str, version: str, columns: Columns, start: int, end: int | None, encoding: str | None = None
) -> Iterator[Document | Broken]:
    """Documents that start in the range of bytes of UTF-8.  Raises InputError for a file that is missing."""
    with open_text(url, version, encoding) as file:
        for at, length, line in _lines(file, start, end):
            if line is None:
                yield Broken(f"line at byte {at}: over {_LINE_BYTES >> 20} MiB long", at, at + length)
            elif line.strip():
                yield _document(at, line, columns, encoding)


def records(url: str, version: str, encoding: str | None = None) -> Iterator[tuple[int, dict[str, Any] | Broken]]:
    """The objects of all lines that are not blank, with their numbers, from 1."""
    with open_text(url, version, encoding) as file:
        for number, (at, length, line) in enumerate(_lines(file, 0, None), 1):
            if line is not None and not line.strip():
                continue
            try:
                yield number, _record(line) if line is not None else Broken("the line is too long", at, at + length)
            except ValueError as error:
                yield number, _broken("", error, at, at + length, encoding)


def first_records(url: str, version: str, encoding: str | None = None) -> list[dict[str, Any]]:
    """The objects in the first lines; broken lines are left out."""
    lines = _first_lines(url, version, encoding)
    return [found for line in lines if (found := _record_or_none(line)) is not None]


def refuse_absent_columns(url: str, version: str, columns: Columns, encoding: str | None = None) -> None:
    """InputError where none of the first lines has the required fields, or where the JSON is not one object a line."""
    lines = _first_lines(url, version, encoding)
    records = [found for line in lines if (found := _record_or_none(line)) is not None]
    if records:
        columns.refuse_absent(url, dict.fromkeys(name for record in records for name in record), ("title", "lang"))
    elif lines:
        _refuse_other_json(url, lines[0].removeprefix(codecs.BOM_UTF8).strip())


def _first_lines(url: str, version: str, encoding: str | None) -> list[bytes]:
    with open_text(url, version, encoding) as file:
        lines = islice(_lines(file, 0, None), _FIRST_LINES)
        return [line for _, _, line in lines if line and line.strip()]


def _refuse_other_json(url: str, first: bytes) -> None:
    for begins, what, convert in ((b"[", "an array", "jq -c '.[]'"), (b"{", "an object over several lines", "jq -c .")):
        if first.startswith(begins) and (begins == b"[" or first == begins):
            raise InputError(
                f"{url}: its JSON is {what}, not one object a line; convert it, e.g. {convert} FILE > NEW.jsonl"
            )


def _document(at: int, line: bytes, columns: Columns, encoding: str | None) -> Document | Broken:
    try:
        return columns.document(_record(line), at, f"byte {at}")
    except ValueError as error:
        return _broken(f"line at byte {at}: ", error, at, at + len(line), encoding)


def _broken(place: str, error: ValueError, start: int, end: int, encoding: str | None) -> Broken:
    if isinstance(error, UnicodeDecodeError):
        return Broken(f"{place}not {encoding or 'UTF-8'}", start, end, undecodable=True)
    return Broken(f"{place}{' '.join(str(error).split())}", start, end)


def _record(line: bytes) -> dict[str, Any]:
    """Raises ValueError with the reason."""
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _record_or_none(line: bytes) -> dict[str, Any] | None:
    try:
        return _record(line)
    except ValueError:
        return None


def _lines(file: BinaryIO, start: int, end: int | None) -> Iterator[tuple[int, int, bytes | None]]:
    """Lines that start in the range: place, length, content; None in place of one that is too long."""
    at = max(start - 1, 0)
    file.seek(at)
    if start:
        at += _line(file)[0]  # the rest of a line that began before, or the newline right before `start`
    while end is None or at < end:
        length, line = _line(file)
        if not length:
            return
        yield at, length, line
        at += length


def _line(file: BinaryIO) -> tuple[int, bytes | None]:
    line = file.readline(_LINE_BYTES)
    if len(line) < _LINE_BYTES or line.endswith(b"\n"):
        return len(line), line
    length = len(line)
    while more := file.readline(_LINE_BYTES):
        length += len(more)
        if more.endswith(b"\n"):
            break
    return length, None
