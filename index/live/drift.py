"""Drift of a coder: its error on rows that it was not made from, and when it is time to build again."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.building.choose import worth_coding
from index.neighbours import spread
from index.parts.artifact import Manifest, SegmentEntry
from index.rungs.coder import Coder

logger = logging.getLogger(__name__)

SAMPLE_ROWS = 20_000
MOST_DRIFT = 1.10
FEW_ROWS = 100  # whose mean error says little
AGAIN = "build again with `deglu index SPEC --new-version`"


def drift(
    coder: Coder, rows: NDArray[Any], lists: NDArray[np.int32], old: NDArray[Any], old_drift: float | None
) -> float | None:
    """Error of the codes of rows [n, D] over that of the rows the coder was made from; None where this has none.

    Of the new rows an even sample is looked at; `old` are some under the same coder, that have drifted by `old_drift`.
    """
    usual = coder.error(old, coder.lists_of(old)) / (old_drift or 1.0)
    chosen = spread(len(rows), SAMPLE_ROWS, shift=0.0)
    return round(coder.error(rows[chosen], lists[chosen]) / usual, 4) if usual > 0 else None


def warnings_of(url: str, manifest: Manifest, made: Sequence[SegmentEntry]) -> Iterator[str]:
    """What there is to say of an index with these new segments, each said to the log as well."""
    for entry in made:
        if entry.drift is not None and entry.drift > MOST_DRIFT and entry.rows >= FEW_ROWS:
            yield _said(
                f"{url}: codes of the {entry.rows:,} new {entry.modality} rows err {entry.drift:.2f} times as much as "
                f"those of the rows that they were made for, so the promised recall may not be kept; {AGAIN}"
            )
    for modality in sorted({entry.modality for entry in made if not entry.coded}):
        rows = sum(entry.rows for entry in manifest.segments if entry.modality == modality)
        if worth_coding(rows, manifest.spec):
            yield _said(
                f"{url}: every one of {rows:,} {modality} rows is read for each question, since the index was "
                f"built with few of them or none; {AGAIN}"
            )


def _said(warning: str) -> str:
    logger.warning("%s", warning)
    return warning
