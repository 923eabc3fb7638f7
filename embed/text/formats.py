"""Documents of a unit of text, in any format."""

from collections.abc import Iterator, Mapping
from typing import Any

from embed.text.documents import Broken, Columns, Document
from embed.text.gzipped import is_packed, unpacked_bytes
from embed.text.jsonl import read_json_lines, refuse_absent_columns
from embed.text.table_rows import probe_table, read_table
from embed.text.txt import read_paragraphs


def read_documents(unit: Mapping[str, Any]) -> Iterator[Document | Broken]:
    """Documents that start in a unit (a row of UNITS), in order.

    Raises InputError for a file that is missing, empty, damaged, or has no field that the input's columns name.
    """
    url, version, start, end = unit["url"], unit["content_version"], unit["start"], unit["end"]
    columns = Columns(dict(unit["columns"] or ()))
    if unit["format"] in ("csv", "parquet"):
        yield from read_table(url, version, unit["format"], columns, start, end)
    elif unit["format"] == "jsonl":
        if start == 0 and end is None:  # perhaps one that is listed with a problem
            refuse_absent_columns(url, version, columns)
        yield from read_json_lines(url, version, columns, start, end)
    else:
        yield from read_paragraphs(url, version, start, end)


def probe_text(url: str, version: str, format: str, columns: Mapping[str, str]) -> int | None:
    """Rows of a table, or unpacked bytes of a packed file; None where the file's size is enough.

    Raises InputError as `read_documents` does.
    """
    if format in ("csv", "parquet"):
        return probe_table(url, format, Columns(columns))
    if format == "jsonl":
        refuse_absent_columns(url, version, Columns(columns))
    return unpacked_bytes(url) if is_packed(url) else None
