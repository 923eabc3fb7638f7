"""Vectors in memory as a dataset of texts, for benches that build a real index of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from embed.encoder import FloatArray
from embed.identity import digest
from embed.tables import ID, TEXT, rows

PART_ROWS = 65_536
BATCH_ROWS = 4_096


@dataclass(frozen=True)
class TableInfo:
    """Keeps `index.contracts.VectorsInfo`."""

    dims: tuple[int, ...]
    rows: int
    metric: str = "cosine"
    space: str = "made-up"


@dataclass(frozen=True)
class TablePart:
    """Keeps `index.contracts.VectorsPart`."""

    name: str
    vectors: FloatArray
    first: int  # number of the first row

    @property
    def stored_rows(self) -> int:
        return len(self.vectors)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of `embed.tables.rows`, made as they are asked for."""
        for start in range(0, len(self.vectors), BATCH_ROWS):
            batch = _batch(self.vectors[start : start + BATCH_ROWS], self.first + start)
            yield batch.select(list(columns)) if columns else batch


class TableVectors:
    """Unit rows [n, D]; keeps `index.contracts.Vectors`.  Every row is a document of its own."""

    def __init__(self, vectors: FloatArray, dims: tuple[int, ...]) -> None:
        self.vectors, self.info = vectors, TableInfo(dims, len(vectors))

    def parts(self) -> list[TablePart]:
        starts = range(0, len(self.vectors), PART_ROWS)
        return [TablePart(f"rows-{start}", self.vectors[start : start + PART_ROWS], start) for start in starts]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for part in self.parts():
            yield from part.batches(columns)


def _batch(vectors: FloatArray, first: int) -> pa.RecordBatch:
    count, width = vectors.shape
    schema = rows(width)
    ids = pa.array([digest("row", first + i) for i in range(count)], ID)
    given = {
        "segment_id": ids,
        "asset_id": ids,
        "unit_id": ids,
        "uri": pa.array([f"made-up/{first + i}" for i in range(count)]),
        "content_version": pa.array(["1"] * count),
        "modality": pa.array([TEXT] * count),
        "space": pa.array(["made-up"] * count),
        "encoder": pa.array(["made-up"] * count),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).reshape(-1)), width),
    }
    columns = [given.get(field.name, pa.nulls(count, field.type)).cast(field.type) for field in schema]
    return pa.record_batch(columns, schema=schema)
