"""Calibration of a build, modality by modality: router, curves, and the scores of usual answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from embed.encoder import FloatArray
from index.calibration.blend import SourcedSegment, source_numbers, top_scores
from index.calibration.calibrate import calibrate
from index.calibration.questions import Encode
from index.ladder import Curve
from index.parts.artifact import PROVENANCE_COPY, ROUTER, PartEntry, SegmentEntry, TopScores
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
        router, curves = _curves(one, segment, dims, scratch, encode, log, note)
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
) -> tuple[Path | None, tuple[Curve, ...]]:
    if one.coder is None:
        return None, ()
    shelf = Shelf(one.modality, [segment], coder=one.coder)
    router, curves = calibrate(shelf, one.folder, dims, encode, log, note)
    folder = scratch / f"router-{one.modality}"
    folder.mkdir()
    np.save(folder / ROUTER, router, allow_pickle=False)
    return folder, curves
