"""Documents of a unit of text, in any format."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from embed.text.documents import Broken, Columns, Document
from embed.text.encodings import ENCODING
from embed.text.gzipped import encoding_of, is_packed, text_bytes
from embed.text.jsonl import read_json_lines, refuse_absent_columns
from embed.text.pages import declared_encoding, read_page
from embed.text.subtitles import read_cues
from embed.text.table_rows import probe_table, read_table
from embed.text.txt import read_paragraphs


def read_documents(unit: Mapping[str, Any]) -> Iterator[Document | Broken]:
    """Documents that start in a unit (a row of UNITS), in order.

    Raises InputError for a file that is missing, empty, damaged, in another encoding, or has no field that the
    input's columns name.
    """
    url, version, form, start, end = (unit[name] for name in ("url", "content_version", "format", "start", "end"))
    settings = dict(unit["columns"] or ())
    columns, encoding = Columns(settings), settings.get(ENCODING)
    is_whole = start == 0 and end is None  # perhaps one that is listed with a problem
    if form in _WHOLE or (is_whole and form != "parquet"):
        encoding = encoding_of(url, encoding, _DECLARED.get(form))
    if form in _WHOLE:
        yield from islice(_WHOLE[form](url, encoding), start, end)
    elif form in ("csv", "parquet"):
        yield from read_table(url, version, form, columns, start, end, encoding)
    elif form == "jsonl":
        if is_whole:
            refuse_absent_columns(url, version, columns, encoding)
        yield from read_json_lines(url, version, columns, start, end, encoding)
    else:
        yield from read_paragraphs(url, version, start, end, encoding)


def probe_text(url: str, version: str, format: str, settings: Mapping[str, str]) -> tuple[int | None, dict[str, str]]:
    """Items of a file, None where its size is enough; and the settings that its content needs.

    Items are rows of a table, cues of subtitles, or bytes of UTF-8 in a file that is packed or in another encoding.
    An `encoding` is needed only where the file is not UTF-8.
    Raises InputError as `read_documents` does.
    """
    columns, named = Columns(settings), settings.get(ENCODING)
    if format == "parquet":
        return probe_table(url, format, columns), dict(settings)
    encoding = encoding_of(url, named, _DECLARED.get(format))
    needed = {name: value for name, value in settings.items() if name != ENCODING or value == encoding}
    if format in _WHOLE:
        return sum(1 for _ in _WHOLE[format](url, encoding)), needed
    if format == "csv":
        return probe_table(url, format, columns, encoding), needed
    if format == "jsonl":
        refuse_absent_columns(url, version, columns, encoding)
    counted = is_packed(url) or encoding is not None
    return (text_bytes(url, encoding) if counted else None), needed


_WHOLE = {"html": read_page, "subtitles": read_cues}  # formats of small files, which are read as a whole
_DECLARED = {"html": declared_encoding}
