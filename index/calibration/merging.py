"""Merging of speech and text as a search with modality `any` does it: by scores that are linear in the cosine.

For measurements that score every row, without an index.
"""

from collections.abc import Mapping

import numpy as np

from embed.encoder import FloatArray, truncate
from index.calibration.blend import FEWEST_ROWS, Background, SourcedSegment, top_scores, without_gap
from index.contracts import IntArray
from index.rungs.segment import Segment


def merge_rule(
    queries: FloatArray, rows: Mapping[str, FloatArray], dim: int
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """By modality the slope and the offset [q] by which cosines of `queries` [q, D] to its rows [n, D] are compared.

    Each row is a document of its own.
    """
    sourced, first = [], 0
    for name, of in rows.items():
        sources: IntArray = np.arange(first, first + len(of))
        sourced.append(SourcedSegment(Segment(name, first, of.astype(np.float16)), sources))
        first += len(of)
    backgrounds = [Background([one.segment]) for one in sourced]
    unit = truncate(queries, dim)
    ends = np.broadcast_to(np.asarray([0, 1], np.float32), (len(unit), 2))  # a line is known by two of its points
    counts = [len(of) for of in rows.values()]
    if min(counts) < FEWEST_ROWS:
        found = without_gap([ends] * len(rows), [one.cosines(unit, dim) for one in backgrounds], counts)
    else:
        usual = top_scores(sourced, [dim])
        found = [
            background.calibrate(unit, ends, dim, usual[name][dim], compiled=False)
            for name, background in zip(rows, backgrounds, strict=True)
        ]
    return {name: (line[:, 1] - line[:, 0], line[:, 0]) for name, line in zip(rows, found, strict=True)}
