"""Staged units folded into data files of a size that scans well; memory holds one row group.

A file's name derives from the commits in it, so a repeated compaction writes the same names with the same bytes.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.identity import ID_BYTES
from embed.staging import StagedUnit
from embed.store import join, move_in, open_input, scratch
from embed.tables import ID
from embed.version import FileRef

FILE_BYTES = 64 << 20  # in memory; on disk somewhat less, since texts are compressed and vectors hardly
ROW_GROUP_BYTES = 16 << 20
READ_ROWS = 4_096
CHUNK_BYTES = 1 << 20

# What repeats from row to row; looking for repetition in vectors costs time and finds none.
REPEATING = ["asset_id", "unit_id", "uri", "content_version", "modality", "item", "lang", "space", "encoder"]


def fold(url: str, units: Iterable[StagedUnit], schema: pa.Schema, file_bytes: int = FILE_BYTES) -> list[FileRef]:
    """Write the rows of `units`, in their order, to data files of about `file_bytes`; every unit has rows."""
    files, rest = [], iter(units)
    while (first := next(rest, None)) is not None:
        files.append(_fold_one(url, chain([first], rest), schema, file_bytes))
    return files


def without(url: str, ref: FileRef, unit_ids: set[bytes], schema: pa.Schema) -> FileRef | None:
    """The file without these units: itself when it has none of them, None when it has nothing else."""
    drop = pa.array(sorted(unit_ids), ID)
    with open_input(join(url, ref.name)) as stream:
        file = pq.ParquetFile(stream)
        dropped = pc.sum(pc.is_in(file.read(["unit_id"])["unit_id"], value_set=drop), min_count=0).as_py()
        if dropped in (0, ref.rows):
            return None if dropped else ref
        batches = (pa.Table.from_batches([batch]) for batch in file.iter_batches(READ_ROWS))
        kept = (table.filter(pc.invert(pc.is_in(table["unit_id"], value_set=drop))) for table in batches)
        name = hashlib.blake2b(ref.name.encode() + b"".join(sorted(unit_ids)), digest_size=ID_BYTES)
        with scratch(join(url, "data")) as path:
            write_row_groups(path, kept, schema)
            return _keep(url, path, name.hexdigest(), ref.rows - dropped)


def write_row_groups(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    """One Parquet file; small tables are gathered into row groups of ROW_GROUP_BYTES."""
    waiting: list[pa.Table] = []
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=REPEATING) as writer:
        for table in tables:
            waiting.append(table.cast(schema))
            if sum(one.nbytes for one in waiting) >= ROW_GROUP_BYTES:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def _fold_one(url: str, units: Iterator[StagedUnit], schema: pa.Schema, file_bytes: int) -> FileRef:
    name, rows = hashlib.blake2b(digest_size=ID_BYTES), 0

    def tables() -> Iterator[pa.Table]:
        nonlocal rows
        size_bytes = 0
        for unit in units:
            name.update(unit.commit)
            rows += unit.rows.num_rows
            size_bytes += unit.rows.nbytes
            yield unit.rows
            if size_bytes >= file_bytes:
                return

    with scratch(join(url, "data")) as path:
        write_row_groups(path, tables(), schema)
        return _keep(url, path, name.hexdigest(), rows)


def _keep(url: str, path: Path, stem: str, rows: int) -> FileRef:
    name, size_bytes, sha256 = f"data/{stem}.parquet", path.stat().st_size, _sha256(path)
    move_in(path, join(url, name))
    return FileRef(name=name, size_bytes=size_bytes, sha256=sha256, rows=rows)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
