"""Append: rows that are new in the dataset become a segment, and rows that it has lost are removed from the index.

New rows are coded by the existing coder, which fits them as long as they are similar to the rows that it was trained
on; the difference is measured, and a large one gives a warning (`index.live.drift`).
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.errors import FingerprintMismatch, InputError
from embed.tables import ID
from index.building.merge import Source, segment_entry, write_segment
from index.building.shard import LISTS, write_shard
from index.building.survey import Survey, survey, without
from index.calibration.blend import SourcedSegment, source_numbers, top_scores
from index.contracts import Vectors, VectorsPart
from index.live.compact import by_modality, coder_of
from index.live.drift import drift, warnings_of
from index.live.reconcile import counted, encoders_of_new, ids_of_survey, lost_rows, still_removed, stored_ids
from index.live.revise import Change, end_of, revise, version_after
from index.parts.artifact import PROVENANCE_COPY, ROWS, Lineage, Manifest, ModalityEntry, SegmentEntry
from index.parts.local import part_folder
from index.parts.one_file import some_rows
from index.parts.removed import deleted_ids, read_removed
from index.parts.write import store_part
from index.rungs.coder import Coder
from index.rungs.segment import Segment

NOTHING = Survey((), (), (), {})
REBUILD = "build it again with `deglu index SPEC --new-version`"


@dataclass(frozen=True)
class Dataset:
    """The dataset to update an index to: a version of the vectors that it was built from."""

    vectors: Vectors
    lineage: Lineage
    forgotten: pa.Array  # ids of the assets that it has forgotten

    def surveyed(self) -> Survey:
        """Survey of all rows; empty for a dataset of which everything was forgotten."""
        return survey(self.vectors, self.lineage.url) if self.vectors.info.rows else NOTHING


def append(url: str, vectors: Vectors, lineage: Lineage, forgotten: pa.Array | None = None) -> Change:
    """A version with the current rows of `vectors`; nothing is published where the newest version has the same rows.

    Rows that were deleted in the index do not come back.  `forgotten`: ids of assets that the dataset has forgotten.

    Raises FingerprintMismatch for vectors of another encoder, InputError where they are of another dataset or damaged.
    """
    dataset = Dataset(vectors, lineage, pa.array([], ID) if forgotten is None else forgotten)
    return revise(url, lambda newest: _updated(url, newest, dataset))


def _updated(url: str, newest: Manifest, dataset: Dataset) -> tuple[Manifest | None, Change]:
    old, new = newest.lineage, dataset.lineage
    if old.url == new.url and new.version < old.version:
        late = f"{url} already has version {old.version} of {old.url}, which is newer than version {new.version}"
        return None, Change(newest, published=False, warnings=(late,))
    _check_space(url, newest, dataset)
    found = dataset.surveyed()
    _check_encoders(url, newest, found)
    removed, present = read_removed(url, newest), ids_of_survey(found)
    kept, restored = still_removed(removed, present, dataset.forgotten)
    stored = stored_ids(url, newest)
    lost = lost_rows(url, newest, stored, removed, present, dataset.forgotten)
    _check_same_dataset(url, newest, new, lost)
    skip = pa.concat_arrays([*stored.values(), deleted_ids(removed)])
    made = _new_segments(url, newest, dataset, encoders_of_new(found, skip), skip)
    if not made and not lost.num_rows and kept.equals(removed):
        return None, Change(newest, published=False)
    segments, gone = [*newest.segments, *made], pa.concat_tables([kept, lost])
    shared = _with_new_modalities(url, newest, made)
    manifest = version_after(url, newest, segments, gone, lineage=new, modalities=shared)
    return manifest, Change(
        manifest,
        published=True,
        added={entry.modality: entry.rows for entry in made},
        removed=counted(newest, lost),
        restored=restored,
        warnings=tuple(warnings_of(url, manifest, made)),
    )


def _new_segments(
    url: str, newest: Manifest, dataset: Dataset, encoders: Mapping[str, str], skip: pa.Array
) -> list[SegmentEntry]:
    """Store a segment for each of these modalities, of its rows that are not in `skip`."""
    coders = {modality: coder_of(url, newest, modality) for modality in encoders}
    first, made = end_of(newest.segments), []
    with tempfile.TemporaryDirectory(prefix="deglu-append-") as scratch:
        folder = Path(scratch)
        for part in dataset.vectors.parts() if encoders else ():
            if _has_new(part, skip):
                write_shard(part, coders, folder / "shards" / part.name, dataset.lineage.url, skip, newest.dims[0])
        for modality, encoder in encoders.items():
            sources = list(_sources(folder / "shards", modality))
            entry = _store(url, newest, sources, coders[modality], folder / modality, (modality, first, encoder))
            first += entry.rows
            made.append(entry)
    return made


def _has_new(part: VectorsPart, skip: pa.Array) -> bool:
    return any(without(batch, skip).num_rows for batch in part.batches(["segment_id"]))


def _sources(shards: Path, modality: str) -> Iterator[Source]:
    for folder in sorted(shards.glob(f"*/{modality}")):
        lists = np.load(folder / LISTS) if (folder / LISTS).exists() else None
        yield Source(np.load(folder / ROWS, mmap_mode="r"), lists, folder / PROVENANCE_COPY, None)


def _store(
    url: str, newest: Manifest, sources: list[Source], coder: Coder | None, folder: Path, what: tuple[str, int, str]
) -> SegmentEntry:
    modality, first_id, encoder = what
    folder.mkdir()
    write_segment(sources, coder, folder)
    measured = None if coder is None else _drift(url, newest, modality, coder, sources)
    entry = segment_entry(folder, modality, first_id, encoder, coder is not None, measured)
    store_part(url, entry.part, folder)
    return entry


def _drift(url: str, newest: Manifest, modality: str, coder: Coder, sources: list[Source]) -> float | None:
    """Drift of the new rows, compared with the largest existing segment."""
    coded = [entry for entry in newest.segments if entry.modality == modality]
    if not coded:
        return None
    largest = max(coded, key=lambda entry: entry.rows)
    rows = np.concatenate([source.rows for source in sources])
    lists = np.concatenate([source.lists for source in sources if source.lists is not None])
    return drift(coder, rows, lists, some_rows(url, largest.part), largest.drift)


def _with_new_modalities(url: str, newest: Manifest, made: list[SegmentEntry]) -> Mapping[str, ModalityEntry]:
    """Shared entries by modality; every row is read of a modality that is new in the index."""
    new = [entry.modality for entry in made if entry.modality not in newest.modalities]
    if not new:
        return newest.modalities
    usual = top_scores(_largest_segments(url, [*newest.segments, *made]), newest.dims)
    flat = {name: ModalityEntry(coder=None, router=None, curves=(), top_scores=usual[name]) for name in new}
    return {**newest.modalities, **flat}


def _largest_segments(url: str, segments: list[SegmentEntry]) -> list[SourcedSegment]:
    """The largest segment of each modality."""
    chosen = [max(group, key=lambda entry: entry.rows) for group in by_modality(segments)]
    folders = [part_folder(url, entry.part) for entry in chosen]
    tables = [pq.read_table(folder / PROVENANCE_COPY, columns=["asset_id", "item"]) for folder in folders]
    loaded = [Segment.load(folder, entry) for folder, entry in zip(folders, chosen, strict=True)]
    return [SourcedSegment(segment, sources) for segment, sources in zip(loaded, source_numbers(tables), strict=True)]


def _check_space(url: str, newest: Manifest, dataset: Dataset) -> None:
    info = dataset.vectors.info
    if info.space != newest.space:
        raise FingerprintMismatch(
            f"{url} is in space {newest.space}, {dataset.lineage.url} is in space {info.space}; {REBUILD}"
        )
    if tuple(info.dims) != newest.dims:
        sides = [", ".join(map(str, dims)) for dims in (newest.dims, info.dims)]
        raise FingerprintMismatch(
            f"{url} has the dims {sides[0]}, {dataset.lineage.url} has the dims {sides[1]}; {REBUILD}"
        )


def _check_encoders(url: str, newest: Manifest, found: Survey) -> None:
    new = dict(zip(found.modalities, found.encoders, strict=True))
    for entry in newest.segments:
        other = new.get(entry.modality, entry.encoder)
        if other != entry.encoder:
            raise FingerprintMismatch(
                f"{url} has {entry.modality} rows of encoder {entry.encoder}, {newest.lineage.url} now has rows of "
                f"encoder {other}; {REBUILD}"
            )


def _check_same_dataset(url: str, newest: Manifest, lineage: Lineage, lost: pa.Table) -> None:
    """A dataset may move to another url; a dataset with none of the rows is a different one."""
    replaced = int(pc.sum(pc.equal(lost["reason"], "replaced"), min_count=0).as_py())
    if newest.lineage.url != lineage.url and replaced and replaced == newest.rows:
        raise InputError(
            f"{url} was built from {newest.lineage.url}, and {lineage.url} has none of its rows; give the spec that it "
            f"was built with, or {REBUILD}"
        )
