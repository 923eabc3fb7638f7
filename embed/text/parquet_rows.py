"""Rows of a .parquet file, in batches of bounded size; by default columns of plain values are read."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as types

from embed.errors import InputError
from embed.storage import store
from embed.text.documents import Broken

_BATCH_ROWS = 256  # cells may be large
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

        Raises InputError where there is no file, or it is not complete.
        """
        self._url = url
        self._source = store.open_input(url)
        try:
            self._file = pq.ParquetFile(self._source, buffer_size=_BUFFER, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            self._source.close()
            raise InputError(f"{url}: not a complete parquet file: {_line(error)}") from None
        schema = self.schema = self._file.schema_arrow
        self._columns, self._batch_rows = list(columns(schema)), batch_rows
        self.unread = {field.name: str(field.type) for field in schema if not _is_plain(field.type)}
        self.names = tuple(leaf for name in self._columns for leaf in _leaves(schema, name))
        sizes: list[int] = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._edges = [0, *accumulate(sizes)]
        self.at = 0
        self._coming = self._from_group(0)

    @property
    def num_rows(self) -> int:
        return self._edges[-1]

    def read(self, first: int, end: int | None) -> Iterator[tuple[int, dict[str, Any] | Broken]]:
        self._skip_to(first)
        stop = self.num_rows if end is None else min(end, self.num_rows)
        while self.at < stop:
            found = next(self._coming, None)
            if found is None:
                raise InputError(f"{self._url}: its footer states {self.num_rows} rows, but only {self.at} can be read")
            number, self.at = self.at, self.at + 1
            yield number, Broken(f"row {number}: {found}", number, number + 1) if isinstance(found, str) else found

    def close(self) -> None:
        self._file.close()
        self._source.close()

    def _skip_to(self, first: int) -> None:
        group = max((group for group, edge in enumerate(self._edges[:-1]) if edge <= first), default=0)
        if self._edges[group] > self.at:
            self._coming, self.at = self._from_group(group), self._edges[group]
        skipped = sum(1 for _ in islice(self._coming, first - self.at))
        self.at += skipped

    def _from_group(self, group: int) -> Iterator[dict[str, Any] | str]:
        """Records from a row group on; a message in place of one that is not readable."""
        groups = list(range(group, self._file.num_row_groups))
        try:
            batches = self._file.iter_batches(self._batch_rows, groups, self._columns, use_threads=False)
            for batch in batches:
                yield from _records(batch)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self._url}: damaged from row {self.at} on: {_line(error)}") from None


def _records(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | str]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for at in range(batch.num_rows):
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
