"""Drift of a coder: its error on rows that it was not trained on, and the warning to build again."""

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
FEW_ROWS = 100  # the mean error of fewer rows is not reliable
AGAIN = "build again with `deglu index SPEC --new-version`"


def drift(
    coder: Coder, rows: NDArray[Any], lists: NDArray[np.int32], old: NDArray[Any], old_drift: float | None
) -> float | None:
    """Error of the codes of rows [n, D], divided by that of the rows the coder was trained on; None where that is 0.

    The new rows are sampled at even steps; `old` are rows of an older segment with the same coder, whose drift is
    `old_drift`.
    """
    usual = coder.error(old, coder.lists_of(old)) / (old_drift or 1.0)
    chosen = spread(len(rows), SAMPLE_ROWS, shift=0.0)
    return round(coder.error(rows[chosen], lists[chosen]) / usual, 4) if usual > 0 else None


def warnings_of(url: str, manifest: Manifest, made: Sequence[SegmentEntry]) -> Iterator[str]:
    """Warnings about an index with these new segments; each is also logged."""
    for entry in made:
        if entry.drift is not None and entry.drift > MOST_DRIFT and entry.rows >= FEW_ROWS:
            yield _logged(
                f"{url}: codes of the {entry.rows:,} new {entry.modality} rows have {entry.drift:.2f} times the error "
                f"of the rows that the coder was trained on, so the promised recall may not be reached; {AGAIN}"
            )
    for modality in sorted({entry.modality for entry in made if not entry.coded}):
        rows = sum(entry.rows for entry in manifest.segments if entry.modality == modality)
        if worth_coding(rows, manifest.spec):
            yield _logged(
                f"{url}: all {rows:,} {modality} rows are read for each question, because the index was built with "
                f"few of them or none; {AGAIN}"
            )


def _logged(warning: str) -> str:
    logger.warning("%s", warning)
    return warning
