"""Numpy arrays: the vectors of a part as one `.npy`, and its other columns as Parquet, row by row the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib import format as npy

from embed.exports.files import DATA, Files
from embed.exports.parquet import REPEATING
from embed.exports.rows import export_schema, values_of
from embed.exports.targets import Rows


def arrays(folder: str, dim: int) -> Files:
    """float32 [n, dim] in C order, for `np.load(..., mmap_mode="r")`."""
    return Files(folder, _Arrays(dim))


@dataclass(frozen=True)
class _Arrays:
    dim: int
    suffixes: Sequence[str] = (".npy", ".parquet")
    piece_rows: int | None = None

    def write(self, paths: Sequence[Path], rows: Rows) -> None:
        schema = export_schema(self.dim)
        schema = schema.remove(schema.get_field_index("vector"))
        count = 0
        with (
            paths[0].open("w+b") as file,
            pq.ParquetWriter(paths[1], schema, compression="zstd", use_dictionary=REPEATING) as writer,
        ):
            self._header(file, 0)
            for batch in rows:
                file.write(values_of(batch["vector"]).astype("<f4").tobytes())
                writer.write_table(pa.Table.from_batches([batch.select(schema.names)]))
                count += batch.num_rows
            file.seek(0)
            self._header(file, count)

    def extras(self, files: Sequence[str]) -> dict[str, str]:
        return {}

    def advice(self, folder: str) -> list[str]:
        return [
            f'numpy      np.load("{folder}/{DATA}/00000-000.npy", mmap_mode="r")',
            f"provenance {folder}/{DATA}/00000-000.parquet, row by row the same",
        ]

    def _header(self, file: BinaryIO, rows: int) -> None:
        """numpy leaves room for the largest number of rows, so the header can be written again in its place."""
        description = {"descr": np.dtype("<f4").str, "fortran_order": False, "shape": (rows, self.dim)}
        npy.write_array_header_1_0(file, description)
