"""Documents of tables (.csv, .tsv, packed or not, and .parquet): a unit is a range of rows.

To find a row of a .csv file, all rows before it must be read; a row group of a .parquet file is unpacked from its
beginning.  So a worker keeps a table open where it stopped, for the next unit of the same file.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from embed.text.csv_rows import CsvRows
from embed.text.documents import Broken, Columns, Document
from embed.text.open_files import OpenFiles
from embed.text.parquet_rows import ParquetRows

Record = Mapping[str, Any]


class Rows(Protocol):
    """An open table, read forward."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""

    @property
    def unread(self) -> Mapping[str, str]:
        """Types of the columns that are not read, by name."""

    @property
    def at(self) -> int:
        """Number of the next row."""

    def read(self, first: int, end: int | None) -> Iterator[tuple[int, Record | Broken]]:
        """Rows [first, end) with their numbers, from 0; `first` is not before `at`."""

    def close(self) -> None: ...


_OPEN: OpenFiles[Rows] = OpenFiles(2)


def read_table(
    url: str, version: str, format: str, columns: Columns, start: int, end: int | None, encoding: str | None = None
) -> Iterator[Document | Broken]:
    """Documents of the rows in the range.  Raises InputError for a file that is missing, damaged, or lacks a column."""
    rows = _opened(url, version, format, encoding, start)
    try:
        columns.refuse_absent(url, rows.names, unread=rows.unread)
        for number, record in rows.read(start, end):
            yield record if isinstance(record, Broken) else _document(number, record, columns)
    except BaseException:
        rows.close()
        raise
    _OPEN.keep((url, version, encoding), rows)


def probe_table(url: str, format: str, columns: Columns, encoding: str | None = None) -> int:
    """Number of rows.  Raises InputError as `read_table`; reads all of a .csv file, the footer of .parquet."""
    rows = _open(url, format, encoding)
    try:
        columns.refuse_absent(url, rows.names, unread=rows.unread)
        return rows.num_rows if isinstance(rows, ParquetRows) else sum(1 for _ in rows.read(0, None))
    finally:
        rows.close()


def _opened(url: str, version: str, format: str, encoding: str | None, start: int) -> Rows:
    kept = _OPEN.take((url, version, encoding))
    if kept is not None and kept.at <= start:
        return kept
    if kept is not None:
        kept.close()
    return _open(url, format, encoding)


def _open(url: str, format: str, encoding: str | None) -> Rows:
    return ParquetRows(url) if format == "parquet" else CsvRows(url, encoding)


def _document(number: int, record: Record, columns: Columns) -> Document | Broken:
    try:
        return columns.document(record, number, f"row {number}")
    except ValueError as error:
        return Broken(f"row {number}: {' '.join(str(error).split())}", number, number + 1)
