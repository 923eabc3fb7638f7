"""Data files, of a good size for scans: written from staged units, or from rows of other data files.

One row group is in memory at a time.

A file's name derives from its bytes and from the number of its entry: a repeated write gives the same names.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.chapters import CHAPTERS, of_row
from embed.dataset.staging import StagedUnit
from embed.dataset.version import FileRef, damaged, file_name, in_one
from embed.identity import file_sha256
from embed.storage.store import join, move_in, open_input, scratch
from embed.tables import ID

FILE_BYTES = 64 << 20  # in memory; on disk somewhat less, since texts are compressed and vectors hardly
SMALL_BYTES = 32 << 20  # on disk
MANY = 8  # small files, before they are merged
ROW_GROUP_BYTES = 16 << 20
READ_ROWS = 4_096

# Columns with repeated values; a dictionary for vectors would cost time and save nothing.
REPEATING = ["asset_id", "unit_id", "uri", "content_version", "modality", "item", "lang", "space", "encoder"]

LISTED = ("utterance", "row", "clip")  # formats whose transcript is in the manifest
Change = Callable[[pa.Table], pa.Table]  # some of the rows, in their order; may be none


def write_data_files(
    url: str, units: Iterable[StagedUnit], schema: pa.Schema, number: int, file_bytes: int = FILE_BYTES
) -> list[FileRef]:
    """Write the rows of `units`, in their order, to data files of about `file_bytes`; every unit has rows."""
    files, rest = [], iter(units)
    while (first := next(rest, None)) is not None:
        files.append(_written(url, _up_to(file_bytes, chain([first], rest)), schema, number))
    return [file for file in files if file is not None]


def rewrite_as_one(url: str, refs: Sequence[FileRef], change: Change, schema: pa.Schema, number: int) -> FileRef | None:
    """A new data file with the rows of some files after `change`; None where no row is left."""
    return _written(url, (change(table) for ref in refs for table in tables_of(url, ref)), schema, number)


def rewritten(
    url: str, refs: Iterable[FileRef], unit_ids: pa.Array, change: Change, schema: pa.Schema, number: int
) -> Iterator[FileRef]:
    """The files after a change of these units: those that have none of them stay, those without a row left are out."""
    for ref in refs:
        kept: FileRef | None = ref
        if len(unit_ids) and _has(url, ref, unit_ids):
            kept = rewrite_as_one(url, [ref], change, schema, number)
        if kept is not None:
            yield kept


def without(unit_ids: pa.Array) -> Change:
    """The rows of other units than these."""
    return lambda table: table.filter(pc.invert(pc.is_in(table["unit_id"], value_set=unit_ids)))


def described(unit_ids: pa.Array, assets: pa.Table) -> Change:
    """The same rows; those of these units with the language, the metadata and the transcript that `assets` has."""

    def change(table: pa.Table) -> pa.Table:
        places = pc.index_in(in_one(table["asset_id"]), value_set=in_one(assets["asset_id"]))
        mine = pc.and_(pc.is_in(in_one(table["unit_id"]), value_set=unit_ids), pc.is_valid(places))
        if not pc.any(mine, min_count=0).as_py():
            return table
        listed = pc.is_in(in_one(assets["format"]).take(places), value_set=pa.array(LISTED))
        for name, where in (("lang", mine), ("metadata", mine), ("text", pc.and_(mine, pc.fill_null(listed, False)))):
            new = in_one(assets[name]).take(places)
            if name == "metadata":
                new = _with_chapters(new, table["start_s"])
            both = pa.concat_arrays([in_one(table[name]), new])
            rows = np.arange(table.num_rows)
            taken = both.take(pa.array(np.where(where.to_numpy(zero_copy_only=False), table.num_rows + rows, rows)))
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), taken)
        return table

    return change


def _with_chapters(metadata: pa.Array, starts_s: pa.ChunkedArray) -> pa.Array:
    """The metadata of assets as their rows have it: see `embed.chapters`."""
    if not pc.any(pc.equal(metadata.keys, CHAPTERS), min_count=0).as_py():
        return metadata
    rows = zip(metadata.to_pylist(), starts_s.to_pylist(), strict=True)
    return pa.array([of_row(pairs, start_s) if pairs else pairs for pairs, start_s in rows], metadata.type)


def only(unit_ids: pa.Array, encoder: str) -> Change:
    """The rows of these units, with `encoder` as their encoder: text vectors are the same for encoders of one space."""

    def some(table: pa.Table) -> pa.Table:
        table = table.filter(pc.is_in(table["unit_id"], value_set=unit_ids.cast(ID)))
        place = table.schema.get_field_index("encoder")
        return table.set_column(place, "encoder", pa.repeat(pa.scalar(encoder), table.num_rows))

    return some


def groups(refs: Sequence[FileRef], file_bytes: int = FILE_BYTES) -> Iterator[list[FileRef]]:
    """Groups of files to write as one: small files together where there are many, every other file alone."""
    many = sum(ref.size_bytes < SMALL_BYTES for ref in refs) >= MANY
    group: list[FileRef] = []
    for ref in refs:
        if not many or ref.size_bytes >= SMALL_BYTES:
            yield [ref]
            continue
        group.append(ref)
        if sum(one.size_bytes for one in group) >= file_bytes:
            yield group
            group = []
    if group:
        yield group


def tables_of(url: str, ref: FileRef, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """A data file's rows, in batches.  InputError where it is missing or damaged."""
    with open_input(join(url, ref.name)) as stream:
        try:
            for batch in pq.ParquetFile(stream).iter_batches(READ_ROWS, columns=columns):
                yield pa.Table.from_batches([batch])
        except pa.ArrowException:
            raise damaged(join(url, ref.name)) from None


def write_row_groups(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> int:
    """One Parquet file; small tables are merged into row groups of ROW_GROUP_BYTES.  Returns the number of rows."""
    waiting: list[pa.Table] = []
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=REPEATING) as writer:
        for table in tables:
            rows += table.num_rows
            waiting.append(table.cast(schema))
            if sum(one.nbytes for one in waiting) >= ROW_GROUP_BYTES:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
    return rows


def _has(url: str, ref: FileRef, unit_ids: pa.Array) -> bool:
    tables = tables_of(url, ref, ["unit_id"])
    return any(pc.any(pc.is_in(table["unit_id"], value_set=unit_ids), min_count=0).as_py() for table in tables)


def _up_to(file_bytes: int, units: Iterator[StagedUnit]) -> Iterator[pa.Table]:
    size_bytes = 0
    for unit in units:
        size_bytes += unit.rows.nbytes
        yield unit.rows
        if size_bytes >= file_bytes:
            return


def _written(url: str, tables: Iterable[pa.Table], schema: pa.Schema, number: int) -> FileRef | None:
    """The data file with these rows; None where there are none."""
    with scratch(join(url, "data")) as path:
        rows = write_row_groups(path, tables, schema)
        if not rows:
            return None
        size_bytes, sha256 = path.stat().st_size, file_sha256(path)
        name = file_name("data", number, sha256[:32])
        move_in(path, join(url, name))
    return FileRef(name=name, size_bytes=size_bytes, sha256=sha256, rows=rows)
