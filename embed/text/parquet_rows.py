"""Rows of a .parquet file, in batches of bounded size; by default columns of plain values are read.

A value that a group's dictionary has once may be in each of its rows: a batch has as few rows as its memory allows, and
`embed.text.expansion` limits what a range of rows may hold.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as types

from embed.errors import InputError
from embed.storage import store
from embed.text.documents import Broken
from embed.text.expansion import ROW_BYTES, check_bytes, check_shape

_BATCH_ROWS = 256
_BATCH_BYTES = 1 << 26
_BUFFER = 1 << 20


def plain_columns(schema: pa.Schema) -> list[str]:
    """The columns that may hold a text, a number, a time, or a record of these."""
    return [name for name in dict.fromkeys(schema.names) if _is_plain(schema.field(name).type)]


class ParquetRows:
    """`embed.text.table_rows.Rows` of a parquet file."""

    def __init__(
        self,
        url: str,
        columns: Callable[[pa.Schema], Sequence[str]] = plain_columns,
        batch_rows: int = _BATCH_ROWS,
    ) -> None:
        """Rows with these columns, which may be fields of records (`audio.path`).

        Raises InputError where there is no file, it is not complete, or it states far more than its size can hold.
        """
        self._url = url
        self._source = store.open_input(url)
        try:
            self._open(columns, batch_rows)
        except BaseException:
            self._source.close()
            raise

    def _open(self, columns: Callable[[pa.Schema], Sequence[str]], batch_rows: int) -> None:
        self._size = self._source.seek(0, os.SEEK_END)
        self._source.seek(0)
        try:
            self._file = pq.ParquetFile(self._source, buffer_size=_BUFFER, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self._url}: not a complete parquet file: {_line(error)}") from None
        schema = self.schema = self._file.schema_arrow
        self._columns, self._batch_rows = list(columns(schema)), batch_rows
        self.unread = {field.name: str(field.type) for field in schema if not _is_plain(field.type)}
        self.names = tuple(leaf for name in self._columns for leaf in _leaves(schema, name))
        sizes: list[int] = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._edges = [0, *accumulate(sizes)]
        self._check_footer()
        self.at = 0
        self._batches = self._from_group(0)
        self._next: pa.RecordBatch | None = None  # the rows of a batch from `at` on, if they are not in `_ready`
        self._ready: deque[dict[str, Any] | str] = deque()

    @property
    def num_rows(self) -> int:
        return self._edges[-1]

    def read(self, first: int, end: int | None) -> Iterator[tuple[int, dict[str, Any] | Broken]]:
        self._skip_to(first)
        stop = self.num_rows if end is None else min(end, self.num_rows)
        num_bytes = 0
        while self.at < stop:
            if not self._ready:
                part = self._part(stop - self.at)
                num_bytes += sum(lengths := _bytes_of_rows(part))
                check_bytes(self._url, f"rows {first} to {self.at + len(lengths) - 1}", num_bytes, self._size)
                self._ready.extend(_records(part, lengths))
            found = self._ready.popleft()
            number, self.at = self.at, self.at + 1
            yield number, Broken(f"row {number}: {found}", number, number + 1) if isinstance(found, str) else found

    def is_null(self, column: str, part: str) -> bool:
        """Whether a field of a column of records has no value in any row, by its type or as the footer states."""
        kind = self.schema.field(column).type
        if types.is_null(kind.field(kind.get_field_index(part)).type):
            return True
        groups = (self._file.metadata.row_group(group) for group in range(self._file.num_row_groups))
        chunks = (group.column(place) for group in groups for place in range(group.num_columns))
        found = [one.statistics for one in chunks if one.path_in_schema == f"{column}.{part}"]
        return all(one is not None and one.has_null_count and one.num_values == 0 for one in found)

    def close(self) -> None:
        self._file.close()
        self._source.close()

    def _skip_to(self, first: int) -> None:
        group = max((group for group, edge in enumerate(self._edges[:-1]) if edge <= first), default=0)
        if self._edges[group] > self.at:
            self._batches, self._next, self.at = self._from_group(group), None, self._edges[group]
            self._ready.clear()
        while self._ready and self.at < first:
            self._ready.popleft()
            self.at += 1
        while self.at < min(first, self.num_rows):
            self.at += self._part(first - self.at).num_rows

    def _part(self, most: int) -> pa.RecordBatch:
        """The next rows, as far as they are in one batch."""
        batch = self._next or next(self._batches, None)
        if batch is None:
            raise InputError(f"{self._url}: its footer states {self.num_rows} rows, but only {self.at} can be read")
        self._next = batch.slice(most) if batch.num_rows > most else None
        return batch.slice(0, most)

    def _from_group(self, first: int) -> Iterator[pa.RecordBatch]:
        """Batches from a row group on."""
        try:
            for group in range(first, self._file.num_row_groups):
                rows = min(self._batch_rows, max(_BATCH_BYTES // max(self._repeatable_bytes(group), 1), 1))
                for batch in self._file.iter_batches(rows, [group], self._columns, use_threads=False):
                    if batch.num_rows:
                        yield batch
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self._url}: damaged from row {self.at} on: {_line(error)}") from None

    def _check_footer(self) -> None:
        groups = [self._file.metadata.row_group(group) for group in range(self._file.num_row_groups)]
        stated = sum(group.column(place).total_uncompressed_size for group in groups for place in self._places)
        check_bytes(self._url, "the table", stated, self._size)
        check_shape(self._url, self.num_rows, max(len(self._places), 1), self._size)

    @cached_property
    def _places(self) -> list[int]:
        """The positions of the columns that are read, in a row group."""
        read, paths = set(self._columns), self._file.schema
        found = enumerate(paths.column(place).path.split(".") for place in range(len(paths)))
        return [place for place, path in found if any(".".join(path[:end]) in read for end in range(1, len(path) + 1))]

    def _repeatable_bytes(self, group: int) -> int:
        """Bytes of a row with the longest value of each of the group's dictionaries."""
        chunks = self._file.metadata.row_group(group)
        repeating = [place for place in self._places if chunks.column(place).has_dictionary_page]
        columns = [self._file.schema.column(place) for place in repeating]
        fixed: int = sum(one.length for one in columns if one.physical_type == "FIXED_LEN_BYTE_ARRAY")
        names = [one.path for one in columns if one.physical_type == "BYTE_ARRAY"]
        if not names:
            return fixed
        with_dictionaries = pq.ParquetFile(
            self._source, metadata=self._file.metadata, read_dictionary=names, buffer_size=_BUFFER, pre_buffer=False
        )
        batch = next(with_dictionaries.iter_batches(1, [group], names, use_threads=False), None)
        return fixed if batch is None else fixed + sum(map(_longest, batch.columns))


def _longest(column: pa.Array) -> int:
    """Bytes of the longest value of a dictionary, or of all those of a record."""
    if types.is_struct(column.type):
        return sum(_longest(one) for one in column.flatten())
    if types.is_dictionary(column.type) and _has_length(column.type.value_type):
        return int(pc.max(pc.binary_length(column.dictionary)).as_py() or 0)
    return 0


def _bytes_of_rows(batch: pa.RecordBatch) -> list[int]:
    lengths = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        lengths += _lengths(column)
    found: list[int] = lengths.tolist()
    return found


def _lengths(column: pa.Array) -> Any:
    """Bytes of each value; of lists and the like their mean."""
    if types.is_struct(column.type):
        return sum(map(_lengths, column.flatten()), np.zeros(len(column), np.int64))
    if types.is_dictionary(column.type):
        of_values = pa.array(_lengths(column.dictionary))
        return pc.fill_null(of_values.take(column.indices), 0).to_numpy(zero_copy_only=False)
    if _has_length(column.type):
        return pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.full(len(column), column.nbytes // max(len(column), 1))


def _has_length(kind: pa.DataType) -> bool:
    return any(
        is_kind(kind) for is_kind in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    )


def _records(batch: pa.RecordBatch, lengths: Sequence[int]) -> Iterator[dict[str, Any] | str]:
    """The rows; a message in place of one that is too long, or not readable."""
    if max(lengths) <= ROW_BYTES:
        try:
            yield from batch.to_pylist()
            return
        except UnicodeDecodeError:
            pass
    for at, length in enumerate(lengths):
        if length > ROW_BYTES:
            yield f"over {ROW_BYTES >> 20} MiB in one row ({length:,} bytes); split it"
            continue
        try:
            yield batch.slice(at, 1).to_pylist()[0]
        except UnicodeDecodeError:
            yield "not UTF-8"


def _is_plain(kind: pa.DataType) -> bool:
    if types.is_struct(kind):
        return any(_is_plain(kind.field(at).type) for at in range(kind.num_fields))
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    return not (types.is_nested(kind) or types.is_null(kind) or types.is_interval(kind) or types.is_duration(kind))


def _leaves(schema: pa.Schema, name: str) -> list[str]:
    return _below(schema.field(name)) if name in schema.names else [name]


def _below(field: pa.Field, before: str = "") -> list[str]:
    name = f"{before}{field.name}"
    if not types.is_struct(field.type):
        return [name]
    inner = (field.type.field(at) for at in range(field.type.num_fields))
    return [leaf for one in inner for leaf in _below(one, f"{name}.")]


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
