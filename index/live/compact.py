"""Compaction and merge: several segments are written again as one; a merge takes small ones, a compaction takes all.

Rows keep their coder, router and curves.  Removed rows are not written again, so that only older versions still hold
them; `compact` then deletes these versions and their files (`index.live.purge`).
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from index.building.merge import Source, segment_entry, write_segment
from index.live.purge import purge
from index.live.revise import Change, end_of, revise, version_after
from index.parts.artifact import PROVENANCE_COPY, Manifest, SegmentEntry
from index.parts.local import part_folder
from index.parts.removed import live_rows, read_removed, removed_positions, rewritten
from index.parts.write import store_part
from index.rungs.coder import Coder, load_coder
from index.rungs.segment import Segment

MOST_SMALL = 4  # segments: each is searched by itself
SEALED_ROWS = 50_000
SMALL = 1 / 4  # of a segment's rows; smaller segments that have together at most this stay separate from it


def compact(url: str) -> Change:
    """One segment for each modality, without the removed rows, and no file that holds any of their bytes.

    It may be killed at any time and run again.  Versions that name deleted files can no longer be read.
    """
    change = revise(url, lambda newest: _revised(url, newest, _to_compact(url, newest)))
    return replace(change, versions_removed=purge(url))


def merge(url: str) -> Change:
    """Small segments become larger ones where `to_merge` finds too many; readers see the same rows."""
    return revise(url, lambda newest: _revised(url, newest, [to_merge(some) for some in by_modality(newest.segments)]))


def to_merge(segments: Sequence[SegmentEntry]) -> list[SegmentEntry]:
    """The segments of one modality that should become one; [] where no merge is needed.

    The smallest ones, up to the first that is at least four times as large as all before it: so sizes grow, a row is
    rewritten at most a few times, and the number of segments grows with the logarithm of the rows.  They are merged
    only if they are many, or have many rows, or include the largest segment.
    """
    ordered = sorted(segments, key=lambda segment: (segment.rows, segment.first_id))
    chosen: list[SegmentEntry] = []
    for segment in ordered:
        if chosen and _rows(chosen) <= SMALL * segment.rows:
            break
        chosen.append(segment)
    worth_it = len(chosen) > MOST_SMALL or _rows(chosen) > SEALED_ROWS or len(chosen) == len(ordered)
    return chosen if len(chosen) > 1 and worth_it else []


def by_modality(segments: Sequence[SegmentEntry]) -> list[list[SegmentEntry]]:
    """The segments of each modality, in the order of the modalities' names."""
    names = sorted({segment.modality for segment in segments})
    return [[segment for segment in segments if segment.modality == name] for name in names]


def _to_compact(url: str, newest: Manifest) -> list[list[SegmentEntry]]:
    removed = read_removed(url, newest)
    groups = by_modality(newest.segments)
    return [
        group for group in groups if len(group) > 1 or any(len(removed_positions(removed, s.part.name)) for s in group)
    ]


def _revised(url: str, newest: Manifest, groups: Sequence[list[SegmentEntry]]) -> tuple[Manifest | None, Change]:
    groups = [group for group in groups if group]
    if not groups:
        return None, Change(newest, published=False)
    gone = {segment.part.name for group in groups for segment in group}
    segments = [segment for segment in newest.segments if segment.part.name not in gone]
    removed = read_removed(url, newest)
    for group in groups:
        made = _as_one(url, newest, group, removed, end_of(segments))
        segments += [made] if made else []
    left = {entry.modality for entry in segments}
    shared = {name: entry for name, entry in newest.modalities.items() if name in left}
    manifest = version_after(url, newest, segments, rewritten(removed, gone), modalities=shared)
    return manifest, Change(manifest, published=True)


def _as_one(
    url: str, newest: Manifest, group: Sequence[SegmentEntry], removed: pa.Table, first_id: int
) -> SegmentEntry | None:
    """The stored segment of all live rows of a group of one modality; None where none is left."""
    modality = group[0].modality
    coder = coder_of(url, newest, modality)
    sources = [_source(url, segment, removed) for segment in group]
    if not any(source.keep is None or source.keep.any() for source in sources):
        return None
    with tempfile.TemporaryDirectory(prefix="deglu-merge-") as scratch:
        folder = Path(scratch)
        write_segment(sources, coder, folder)
        entry = segment_entry(folder, modality, first_id, group[0].encoder, coder is not None, _drift(group))
        store_part(url, entry.part, folder)
    return entry


def coder_of(url: str, manifest: Manifest, modality: str) -> Coder | None:
    """The coder of the modality's rows; None where every row is read."""
    shared = manifest.modalities.get(modality)
    return load_coder(part_folder(url, shared.coder)) if shared and shared.coder else None


def _source(url: str, entry: SegmentEntry, removed: pa.Table) -> Source:
    folder = part_folder(url, entry.part)
    segment = Segment.load(folder, entry)
    lists = segment.lists() if entry.coded else None
    return Source(segment.rows, lists, folder / PROVENANCE_COPY, live_rows(removed, entry))


def _drift(group: Sequence[SegmentEntry]) -> float | None:
    """Mean drift over the rows; None where no segment has one."""
    known = [(segment.drift, segment.rows) for segment in group if segment.drift is not None]
    return sum(drift * rows for drift, rows in known) / sum(rows for _, rows in known) if known else None


def _rows(segments: Sequence[SegmentEntry]) -> int:
    return sum(segment.rows for segment in segments)
