"""Segments and shelves made in memory, for the tests of what searches them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray, truncate
from index.ladder import Curve, Setting
from index.rungs.coder import Coder, train_coder
from index.rungs.router import FIRST_SHARPNESS
from index.rungs.segment import Segment
from index.rungs.shelf import Shelf

WIDTH = 16
EVERYTHING = Setting(depth=1e9, shortlist=1_000, exact=1_000)


def clustered(n: int, seed: int, width: int = WIDTH) -> FloatArray:
    """Unit rows [n, width] about a dozen middles, which are the same for every seed."""
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(0).standard_normal((12, width))
    return truncate(
        (middles[rng.integers(12, size=n)] + 0.8 * rng.standard_normal((n, width))).astype(np.float32), width
    )


def coder_of(rows: Any, lists: int = 8, subspaces: int = 8) -> Coder:
    return train_coder(rows, lists, np.shape(rows)[1], subspaces)


def segment(rows: Any, coder: Coder | None = None, first_id: int = 0, modality: str = "text") -> Segment:
    """Of rows [n, D]; with a coder they are put in the order of their lists."""
    half = np.asarray(rows, np.float16)
    if coder is None:
        return Segment(modality, first_id, half)
    lists = coder.lists_of(half)
    order = np.argsort(lists, kind="stable")
    half, lists = half[order], lists[order]
    scales, small = in_bytes(half)
    return Segment(modality, first_id, half, coder.codes([half], lists), small, scales)


def in_bytes(rows: NDArray[np.float16]) -> tuple[FloatArray, NDArray[np.int8]]:
    """What 1 is worth [n], and rows of 8 bits [n, D]."""
    values = rows.astype(np.float32)
    scales = np.abs(values).max(axis=1) / 127
    return scales, np.rint(values / scales[:, None]).astype(np.int8)


def shelf(segments: Sequence[Segment], coder: Coder | None = None, curves: Sequence[Curve] = ()) -> Shelf:
    """Routed by the lists' middles alone."""
    modality, width = segments[0].modality, segments[0].rows.shape[1]
    if coder is None:
        return Shelf(modality, segments)
    router = np.hstack([FIRST_SHARPNESS * coder.middles(width), np.zeros((coder.lists, 1), np.float32)])
    return Shelf(modality, segments, curves, coder, router)
