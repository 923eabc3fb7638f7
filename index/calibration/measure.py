"""Measurements of a build, made by asking its rows questions: a router, curves, and how scores compare."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from embed.encoder import FloatArray
from index.calibration.blend import Voice, source_numbers, top_scores
from index.calibration.calibrate import calibrate
from index.calibration.questions import Encode
from index.ladder import Curve
from index.parts.artifact import PROVENANCE_COPY, ROUTER, PartEntry, SegmentEntry, TopScores
from index.rungs.coder import Coder
from index.rungs.segment import Segment
from index.rungs.shelf import Shelf


@dataclass(frozen=True)
class Made:
    """One modality, merged: its segment lies in `folder`."""

    modality: str
    folder: Path
    entry: SegmentEntry
    coder: Coder | None
    coder_part: PartEntry | None


@dataclass(frozen=True)
class Measured:
    """What was learned of one modality from questions."""

    router: Path | None  # the folder of its file
    curves: tuple[Curve, ...]
    top_scores: dict[int, TopScores]


def measured(
    dims: Sequence[int],
    made: Sequence[Made],
    scratch: Path,
    encode: Encode | None,
    log: FloatArray | None,
    note: Callable[[str], None],
) -> dict[str, Measured]:
    """By modality, what the index is calibrated to; routers are written below `scratch`."""
    segments = [Segment.load(one.folder, one.entry) for one in made]
    sources = source_numbers(
        [pq.read_table(one.folder / PROVENANCE_COPY, columns=["asset_id", "item"]) for one in made]
    )
    usual = top_scores([Voice(*pair) for pair in zip(segments, sources, strict=True)], dims)
    found = {}
    for one, segment in zip(made, segments, strict=True):
        router, curves = _curves(one, segment, dims, scratch, encode, log, note)
        found[one.modality] = Measured(router, curves, usual[one.modality])
    return found


def _curves(
    one: Made,
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
