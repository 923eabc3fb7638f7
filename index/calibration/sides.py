"""Sides: what a filter needs that keeps rows on one side of the space, as a filter by language or topic does.

A search under a filter goes deeper by the share of the answers that the filter keeps, as the router expects it
(`index.rungs.kernels.route`).  That suffices where the filter keeps rows at random.  Where it keeps one side, the best
rows that it keeps lie at its border, where the router is least certain and codes of different lists compete: so the
rest is measured, on a half and a tenth of the rows: along the main direction of the lists, as languages lie, and by
nearness to single rows, as topics do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from embed.encoder import FloatArray
from index.calibration.needs import needs_of
from index.calibration.truth import HITS, true_nearest
from index.contracts import NO_ID, IntArray, Mask
from index.kept import Kept
from index.ladder import Curve, slope
from index.neighbours import spread, unit_rows
from index.rungs.shelf import Shelf

TOPICS = 3
ASKED = 250  # questions of a kind
SHARES = (0.5, 0.1)  # of the rows: one end of each direction, and the other
RECALLS = (0.95, 0.99, 0.995)
CANDIDATES = 512
MOST_DEPTH, MOST_TIMES = 8.0, 4.0
LEAST_UNEVEN = 0.1  # with less the division makes chance large


@dataclass(frozen=True)
class Sides:
    """For a filter whose rows are all on one side; in proportion for others (`index.rungs.listing.Listing.uneven`)."""

    depth: float  # more depth
    shortlist: float  # times the shortlist


def sides_of(shelf: Shelf, queries: FloatArray, own: IntArray, kind_of: IntArray, curves: Sequence[Curve]) -> Sides:
    """Measured for unit queries [q, D] at full width with `curves`, against a shelf of one segment."""
    chosen = np.concatenate([np.flatnonzero(kind_of == kind)[:ASKED] for kind in np.unique(kind_of)])
    queries, own, kind_of = queries[chosen], own[chosen], kind_of[chosen]
    usual = _needed(shelf, queries, own, kind_of, None, curves)
    depth, times = 0.0, 1.0
    for mask in _halves(shelf):
        kept = [Kept(mask)]
        if kept[0].count <= CANDIDATES:
            continue
        uneven = max(shelf.listing(kept).uneven, LEAST_UNEVEN)
        for (more, longer), (less, shorter) in zip(
            _needed(shelf, queries, own, kind_of, kept, curves), usual, strict=True
        ):
            depth = max(depth, (more - less) / uneven)
            times = max(times, 1 + ((longer + 1) / (shorter + 1) - 1) / uneven)
    return Sides(round(min(depth, MOST_DEPTH), 4), round(min(times, MOST_TIMES), 4))


def _needed(
    shelf: Shelf,
    queries: FloatArray,
    own: IntArray,
    kind_of: IntArray,
    kept: list[Kept] | None,
    curves: Sequence[Curve],
) -> list[tuple[float, float]]:
    """For each recall the depth and the place among the candidates, of the kind that needs most."""
    true = _true(shelf, queries, own, kept)
    needs = needs_of(shelf, queries, true, own, CANDIDATES, kept)
    share = np.zeros(len(queries)) if kept is None else shelf.log_share(queries, kept)
    found = []
    for recall in RECALLS:
        depths = np.maximum(needs.true + slope(curves, recall) * share[:, None], 0)  # the first list is always read
        kinds = np.unique(kind_of)
        found.append(
            (
                max(float(np.quantile(depths[kind_of == kind], recall)) for kind in kinds),
                max(float(np.quantile(needs.places[kind_of == kind], recall)) for kind in kinds),
            )
        )
    return found


def _true(shelf: Shelf, queries: FloatArray, own: IntArray, kept: list[Kept] | None) -> IntArray:
    """[q, HITS] positions of the nearest rows that are kept, without the question's own."""
    places = np.arange(shelf.rows) if kept is None else kept[0].places
    no_one = np.full(len(queries), NO_ID)
    best = true_nearest(queries, shelf.segments[0].rows[places], HITS + 1, shelf.width, no_one).ids
    ids = np.where(best == NO_ID, NO_ID, places[best])
    ids = np.where(ids == own[:, None], NO_ID, ids)
    order = np.argsort(ids == NO_ID, axis=1, kind="stable")[:, :HITS]
    return np.take_along_axis(ids, order, axis=1)


def _halves(shelf: Shelf) -> Iterator[Mask]:
    """Rows on one side of the direction along which the lists' middles vary most, and near or far from single rows."""
    middles = shelf.middles()
    main = np.linalg.svd(middles - middles.mean(axis=0), full_matrices=False)[2][:1]
    rows = shelf.segments[0].rows
    topics = unit_rows(rows[spread(len(rows), TOPICS)], shelf.width)
    for direction in (*main, *topics):
        along = np.concatenate(
            [unit_rows(rows[at : at + 16_384], shelf.width) @ direction for at in range(0, len(rows), 16_384)]
        )
        for share, side in zip(SHARES, (along, -along), strict=True):
            yield side > np.quantile(side, 1 - share)
