"""Reconciliation of an index with its dataset: finds the lost rows, the restored rows and the new rows."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.tables import ID
from index.building.survey import Ids, Survey
from index.contracts import IntArray
from index.parts.artifact import DELETED, FORGOTTEN, PROVENANCE_COPY, REPLACED, Manifest, SegmentEntry
from index.parts.one_file import file_of
from index.parts.removed import OF_PROVENANCE, live_rows, removing


def ids_of_survey(found: Survey) -> pa.Array:
    """The segment_ids of all rows of the survey."""
    return pa.concat_arrays([pa.array([], ID), *map(_as_arrow, found.ids.values())])


def encoders_of_new(found: Survey, skip: pa.Array) -> dict[str, str]:
    """The encoder of each modality that has rows which are not in `skip`."""
    encoders = zip(found.modalities, found.encoders, strict=True)
    return {name: encoder for name, encoder in encoders if not _all_in(_as_arrow(found.ids[name]), skip)}


def stored_ids(url: str, manifest: Manifest) -> dict[str, pa.Array]:
    """The segment_ids in the files of each part, removed ones included."""
    return {entry.part.name: _ids(url, entry) for entry in manifest.segments}


def lost_rows(
    url: str,
    manifest: Manifest,
    stored: Mapping[str, pa.Array],
    removed: pa.Table,
    present: pa.Array,
    forgotten: pa.Array,
) -> pa.Table:
    """REMOVED of the live rows whose segment_id is not among those present, with the reason; `stored` as above."""
    found = []
    for entry in manifest.segments:
        gone = pc.invert(pc.is_in(stored[entry.part.name], value_set=present)).to_numpy(zero_copy_only=False)
        live = live_rows(removed, entry)
        positions = np.flatnonzero(gone if live is None else gone & live)
        if len(positions):
            found.append(_lost_of(url, entry, positions, forgotten))
    return pa.concat_tables([removed.slice(0, 0), *found])


def still_removed(removed: pa.Table, present: pa.Array, forgotten: pa.Array) -> tuple[pa.Table, int]:
    """REMOVED without the rows that the dataset has again, and their number; deleted ones stay.

    A deleted row whose asset is forgotten is dropped once compacted: it cannot come back, and REMOVED must not name it.
    """
    deleted = pc.equal(removed["reason"], DELETED)
    back = pc.and_(pc.invert(deleted), pc.is_in(removed["segment_id"], value_set=present))
    of_forgotten = pc.is_in(removed["asset_id"], value_set=forgotten)
    dropped = pc.and_(of_forgotten, pc.is_null(removed["part"]))
    reasons = pc.if_else(of_forgotten, FORGOTTEN, removed["reason"])
    updated = removed.set_column(3, removed.schema.field("reason"), reasons)
    return updated.filter(pc.invert(pc.or_(back, dropped))), int(pc.sum(back, min_count=0).as_py())


def counted(manifest: Manifest, rows: pa.Table) -> dict[str, dict[str, int]]:
    """Number of rows of REMOVED, by reason and modality."""
    modality = {entry.part.name: entry.modality for entry in manifest.segments}
    counts: dict[str, dict[str, int]] = {}
    for group in rows.group_by(["reason", "part"]).aggregate([([], "count_all")]).to_pylist():
        of_reason, name = counts.setdefault(group["reason"], {}), modality[group["part"]]
        of_reason[name] = of_reason.get(name, 0) + group["count_all"]
    return counts


def _as_arrow(ids: Ids) -> pa.Array:
    return pa.Array.from_buffers(ID, len(ids), [None, pa.py_buffer(np.ascontiguousarray(ids))])


def _all_in(ids: pa.Array, some: pa.Array) -> bool:
    return bool(pc.all(pc.is_in(ids, value_set=some), min_count=0).as_py())


def _lost_of(url: str, entry: SegmentEntry, positions: IntArray, forgotten: pa.Array) -> pa.Table:
    with file_of(url, entry.part, PROVENANCE_COPY) as path:
        rows = removing(pq.read_table(path, columns=OF_PROVENANCE), positions, entry.part.name, REPLACED)
    reasons = pc.if_else(pc.is_in(rows["asset_id"], value_set=forgotten), FORGOTTEN, REPLACED)
    return rows.set_column(3, rows.schema.field("reason"), reasons)


def _ids(url: str, entry: SegmentEntry) -> pa.Array:
    with file_of(url, entry.part, PROVENANCE_COPY) as path:
        return pa.concat_arrays(pq.read_table(path, columns=["segment_id"])["segment_id"].chunks)
