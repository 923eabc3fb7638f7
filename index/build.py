"""Vectors become a published index version.

The same vectors and spec give the same bytes, so ids are stable, and building again repairs damaged files.
Memory holds the rows' provenance and the prefixes, not the vectors.  Segments are stored first, the manifest last.
"""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embed import store
from embed.errors import AlreadyPublished, SpecError
from index.artifact import (
    FORMAT,
    PREFIX,
    PROVENANCE_COPY,
    ROWS,
    Calibration,
    FileEntry,
    Lineage,
    Manifest,
    SegmentEntry,
    newest_version,
    publish,
    read_manifest,
    segment_url,
)
from index.calibrate import Sources, calibrate
from index.contracts import IntArray, Vectors
from index.faiss_library import library, use_gpu
from index.segment import Segment, prefix_index
from index.spec import IndexSpec, check_shortlist_dim
from index.staging import describe
from index.survey import SLICE_ROWS, Survey, survey, write_rows

logger = logging.getLogger(__name__)


def build(spec: IndexSpec, vectors: Vectors, lineage: Lineage, new_version: bool = False) -> tuple[Manifest, bool]:
    """The version that now stands at `spec.output`, and whether this call published it.

    Where the newest version is the very same index, its files are written again, which mends damaged ones, and
    nothing is published.  A spec that differs from the standing version's is refused unless `new_version`.

    Raises SpecError, InputError (nothing to index, damaged rows), FingerprintMismatch, AlreadyPublished.
    """
    check_shortlist_dim(spec, tuple(vectors.info.dims))
    newest = newest_version(spec.output)
    standing = read_manifest(spec.output, newest) if newest else None
    if standing and not new_version:
        _check_same_settings(spec, standing.spec)
    where = survey(vectors, spec.vectors)
    with tempfile.TemporaryDirectory(prefix="deglu-index-") as scratch:
        made = _make(spec, vectors, lineage, where, Path(scratch)).model_copy(update={"version": newest + 1})
        for entry in made.segments:
            _store_segment(spec.output, entry, Path(scratch) / entry.modality)
    if standing and standing.calls_same(made):
        return standing, False
    if not publish(spec.output, made):
        raise AlreadyPublished(f"{spec.output}: another build published version {made.version} first; run this again")
    return made, True


def _check_same_settings(wanted: IndexSpec, standing: IndexSpec) -> None:
    # Another version of the same dataset is what a rebuild is for.
    old, new = standing.defining(), wanted.defining()
    changed = [f"{name} {old[name]!r} -> {new[name]!r}" for name in new if name != "version" and old[name] != new[name]]
    if changed:
        raise SpecError(
            f"{wanted.output} was built with other settings ({'; '.join(changed)}); "
            "add --new-version to build beside it, or choose another output"
        )


def _make(spec: IndexSpec, vectors: Vectors, lineage: Lineage, where: Survey, scratch: Path) -> Manifest:
    """Each modality's segment in a folder of its name under `scratch`, and the manifest that describes them."""
    folders = [scratch / modality for modality in where.modalities]
    for folder in folders:
        folder.mkdir()
    provenance = write_rows(vectors, where, [folder / ROWS for folder in folders], spec.vectors)
    for folder, first, count in zip(folders, where.firsts, where.counts, strict=True):
        copy = provenance.slice(first, count)
        pq.write_table(copy, folder / PROVENANCE_COPY, compression="zstd", row_group_size=SLICE_ROWS)
        rows = np.load(folder / ROWS, mmap_mode="r")
        library().write_index(prefix_index(rows, spec.shortlist_dim), str(folder / PREFIX))
    return Manifest(
        format=FORMAT,
        version=0,  # settled when it is published
        spec=spec,
        space=vectors.info.space,
        dims=tuple(vectors.info.dims),
        metric="cosine",
        rows=len(where.places),
        segments=tuple(_entries(where, scratch)),
        calibration=_calibration(spec, tuple(vectors.info.dims), where, scratch, provenance),
        lineage=lineage,
    )


def _calibration(
    spec: IndexSpec, dims: tuple[int, ...], where: Survey, scratch: Path, provenance: pa.Table
) -> dict[str, Calibration]:
    gpu = use_gpu(spec.device)
    parts = list(zip(where.modalities, where.firsts, where.counts, strict=True))
    segments = [Segment.load(scratch / modality, modality, first, gpu) for modality, first, _ in parts]
    numbers = _source_numbers(provenance)
    sources = Sources({modality: numbers[first : first + count] for modality, first, count in parts})
    measured = calibrate(segments, sources, dims, spec.shortlist_depth)
    for modality, result in measured.items():
        logger.info("%s: recall@10 %.4f with %d candidates", modality, result.recall_at_10, result.depth)
    return measured


def _source_numbers(provenance: pa.Table) -> IntArray:
    """[n], equal for rows of the same recording or document: same asset, and same item in it."""
    assets, items = (_codes(provenance[name]) for name in ("asset_id", "item"))
    return assets * (int(items.max()) + 1) + items


def _codes(column: pa.ChunkedArray) -> IntArray:
    """[n] a number for each distinct value; null is one of them."""
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    codes: IntArray = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _entries(where: Survey, scratch: Path) -> Iterator[SegmentEntry]:
    parts = zip(where.modalities, where.firsts, where.counts, where.encoders, strict=True)
    for modality, first, count, encoder in parts:
        files = {name: describe(scratch / modality / name) for name in (PREFIX, ROWS, PROVENANCE_COPY)}
        yield SegmentEntry(
            name=f"{modality}-{_content_name(files)}",
            modality=modality,
            first_id=first,
            rows=count,
            encoder=encoder,
            files=files,
        )


def _content_name(files: dict[str, FileEntry]) -> str:
    return hashlib.sha256("".join(files[name].sha256 for name in sorted(files)).encode()).hexdigest()[:16]


def _store_segment(url: str, entry: SegmentEntry, folder: Path) -> None:
    place = segment_url(url, entry.name)
    for name in entry.files:
        with store.scratch(place) as path:
            shutil.copyfile(folder / name, path)
            store.move_in(path, store.join(place, name))
