"""A vectors dataset in memory: an Arrow table, from which an index is built as from a dataset on storage."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from embed.identity import digest

BATCH_ROWS, PART_ROWS = 4_096, 65_536


@dataclass(frozen=True)
class TableInfo:
    """Implements `index.contracts.VectorsInfo`."""

    dims: tuple[int, ...]
    space: str
    rows: int
    metric: str = "cosine"


@dataclass(frozen=True)
class TablePart:
    """Some rows of a table; implements `index.contracts.VectorsPart`."""

    table: pa.Table
    batch_rows: int = BATCH_ROWS

    @property
    def name(self) -> str:
        return digest(*self.table["segment_id"].to_pylist()).hex()

    @property
    def stored_rows(self) -> int:
        return len(self.table)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        table = self.table.select(list(columns)) if columns else self.table
        yield from table.to_batches(max_chunksize=self.batch_rows)


class TableVectors:
    """Rows of `embed.tables.rows(D)`, all of one space; implements `index.contracts.Vectors`."""

    def __init__(
        self,
        table: pa.Table,
        dims: tuple[int, ...],
        space: str,
        batch_rows: int = BATCH_ROWS,
        part_rows: int = PART_ROWS,
    ) -> None:
        """`dims` are the declared widths, descending; D is the first."""
        self.table, self.info = table, TableInfo(dims, space, len(table))
        self.batch_rows, self.part_rows = batch_rows, part_rows

    def parts(self) -> list[TablePart]:
        starts = range(0, len(self.table), self.part_rows)
        return [TablePart(self.table.slice(start, self.part_rows), self.batch_rows) for start in starts]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        return TablePart(self.table, self.batch_rows).batches(columns)
