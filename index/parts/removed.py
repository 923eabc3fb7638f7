"""Removed rows of an index, which may not be hits: the table REMOVED of `index.parts.artifact`, a part of a version.

The files of a segment never change, so a removed row stays in them until a compaction writes new files.  Then `deleted`
rows are recorded without a place, since they must never come back; the others, which the dataset has lost, are dropped.
"""

import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from index.contracts import IntArray
from index.parts.artifact import DELETED, REMOVED, REMOVED_ROWS, Manifest, PartEntry, SegmentEntry
from index.parts.local import part_folder
from index.parts.write import part_of, store_part

OF_PROVENANCE = ["segment_id", "asset_id", "uri"]


def read_removed(url: str, manifest: Manifest) -> pa.Table:
    """REMOVED of the version; empty where nothing is removed.  Raises StorageError for a damaged part."""
    if manifest.removed is None:
        return REMOVED.empty_table()
    return pq.read_table(part_folder(url, manifest.removed) / REMOVED_ROWS, schema=REMOVED)


def store_removed(url: str, removed: pa.Table) -> PartEntry | None:
    """The part that holds REMOVED, the same for the same rows in any order; None for no rows."""
    if not removed.num_rows:
        return None
    with tempfile.TemporaryDirectory(prefix="deglu-removed-") as scratch:
        folder = Path(scratch)
        rows = removed.sort_by([("part", "ascending"), ("position", "ascending"), ("segment_id", "ascending")])
        pq.write_table(rows.combine_chunks(), folder / REMOVED_ROWS, compression="zstd")
        entry = part_of("removed", folder)
        store_part(url, entry, folder)
    return entry


def removing(provenance: pa.Table, rows: IntArray, part: str, reason: str, first: int = 0) -> pa.Table:
    """REMOVED for these rows of a table, which is the part's provenance from its position `first` on."""
    chosen = provenance.select(OF_PROVENANCE).take(pa.array(rows))
    added = [pa.repeat(pa.scalar(value), len(rows)) for value in (reason, part)]
    return pa.table([*chosen.columns, *added, pa.array(rows + first, pa.int64())], schema=REMOVED)


def removed_positions(removed: pa.Table, part: str) -> IntArray:
    """Positions [r] of the removed rows of a part, ascending."""
    found: IntArray = removed.filter(pc.equal(removed["part"], part))["position"].to_numpy().astype(np.int64)
    return np.sort(found)


def live_rows(removed: pa.Table, entry: SegmentEntry) -> NDArray[np.bool_] | None:
    """[n]: whether a row of the segment may be a hit; None where all may."""
    positions = removed_positions(removed, entry.part.name)
    if not len(positions):
        return None
    live = np.ones(entry.rows, np.bool_)
    live[positions] = False
    return live


def deleted_ids(removed: pa.Table) -> pa.Array:
    """The segment_ids of deleted rows, which no append and no rebuild may bring back."""
    ids = removed.filter(pc.equal(removed["reason"], DELETED))["segment_id"]
    return pa.concat_arrays([*ids.chunks, pa.array([], ids.type)])


def rewritten(removed: pa.Table, parts: Collection[str] | None = None) -> pa.Table:
    """REMOVED after the files of these parts are written again without the removed rows; None is all parts."""
    placed = pc.is_valid(removed["part"])
    gone = placed if parts is None else pc.is_in(removed["part"], value_set=pa.array(sorted(parts), pa.string()))
    stay_out = removed.filter(pc.and_(gone, pc.equal(removed["reason"], DELETED)))
    nowhere = [pa.nulls(stay_out.num_rows, pa.string()), pa.nulls(stay_out.num_rows, pa.int64())]
    placeless = pa.table([*(stay_out[name] for name in REMOVED.names[:4]), *nowhere], schema=REMOVED)
    return pa.concat_tables([removed.filter(pc.invert(gone)), placeless])


def stored_removed(removed: pa.Table) -> int:
    """How many removed rows are still in files."""
    return len(removed) - int(removed["part"].null_count)
