"""Calibration of a build, modality by modality: router, curves, and the scores of usual answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from embed.encoder import FloatArray
from index.calibration.blend import SourcedSegment, source_numbers, top_scores
from index.calibration.calibrate import calibrate
from index.calibration.questions import OTHER_QUESTIONS, Encode
from index.ladder import Curve
from index.neighbours import spread
from index.parts.artifact import LIST_SIZES, PROVENANCE_COPY, ROUTER, PartEntry, SegmentEntry, TopScores
from index.rungs.coder import Coder
from index.rungs.segment import Segment
from index.rungs.shelf import Shelf


@dataclass(frozen=True)
class MergedModality:
    """One modality after the merge; the files of its segment are in `folder`."""

    modality: str
    folder: Path
    entry: SegmentEntry
    coder: Coder | None
    coder_part: PartEntry | None


@dataclass(frozen=True)
class Calibration:
    """Router, curves and usual scores of one modality, measured with questions."""

    router: Path | None  # the folder of its file
    curves: tuple[Curve, ...]
    top_scores: dict[int, TopScores]


def calibrations(
    dims: Sequence[int],
    made: Sequence[MergedModality],
    scratch: Path,
    encode: Encode | None,
    log: FloatArray | None,
    note: Callable[[str], None],
) -> dict[str, Calibration]:
    """The calibration of each modality; routers are written below `scratch`."""
    segments = [Segment.load(one.folder, one.entry) for one in made]
    sources = source_numbers(
        [pq.read_table(one.folder / PROVENANCE_COPY, columns=["asset_id", "item"]) for one in made]
    )
    usual = top_scores([SourcedSegment(*pair) for pair in zip(segments, sources, strict=True)], dims)
    found = {}
    for one, segment in zip(made, segments, strict=True):
        others = [other for other in segments if other is not segment]
        router, curves = _curves(one, segment, dims, scratch, encode, log, note, _some_rows(others))
        found[one.modality] = Calibration(router, curves, usual[one.modality])
    return found


def _curves(
    one: MergedModality,
    segment: Segment,
    dims: Sequence[int],
    scratch: Path,
    encode: Encode | None,
    log: FloatArray | None,
    note: Callable[[str], None],
    others: FloatArray | None,
) -> tuple[Path | None, tuple[Curve, ...]]:
    if one.coder is None:
        return None, ()
    shelf = Shelf(one.modality, [segment], coder=one.coder)
    router, curves = calibrate(shelf, one.folder, dims, encode, log, note, others)
    folder = scratch / f"router-{one.modality}"
    folder.mkdir()
    np.save(folder / ROUTER, router, allow_pickle=False)
    np.save(folder / LIST_SIZES, segment.list_sizes(), allow_pickle=False)
    return folder, curves


def _some_rows(segments: Sequence[Segment]) -> FloatArray | None:
    """Rows at even steps of the segments; None without a segment."""
    some = [np.asarray(one.rows[spread(len(one), OTHER_QUESTIONS)], np.float32) for one in segments]
    return np.vstack(some) if some else None
