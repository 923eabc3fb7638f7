"""Needs: the recall that is counted is the recall of a search."""

from typing import Any

import numpy as np
import pytest

from index.calibration.needs import Needs, needs_of
from index.calibration.sides import sides_of
from index.calibration.truth import recalls, true_nearest
from index.kept import Kept
from index.ladder import Setting
from index.rungs.shelf import Shelf, ShelfRequest
from tests.index import shelves
from tests.index.shelves import WIDTH, clustered, coder_of, segment

N, COUNT = 1_500, 300


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    rows = clustered(N, 1)
    coder = coder_of(rows, lists=16)
    return shelves.shelf([segment(rows, coder)], coder)


@pytest.mark.parametrize(("depth", "shortlist", "k"), [(6.0, 30, 10), (7.5, 60, 10), (9.0, 250, 10), (7.5, 30, 1)])
@pytest.mark.parametrize("filtered", [False, True])
def test_counted_recall_is_that_of_a_search(depth: float, shortlist: int, k: int, filtered: bool, shelf: Shelf) -> None:
    queries, no_one = clustered(100, 5), np.full(100, -1)
    kept = [Kept(clustered(N, 1)[:, 0] > 0)] if filtered else None  # any rows: a third of each list
    places = np.arange(N) if kept is None else kept[0].places
    found = true_nearest(queries, shelf.segments[0].rows[places], 10, WIDTH, no_one)
    true = type(found)(places[found.ids], found.scores)
    needs = needs_of(shelf, queries, true.ids, no_one, COUNT, kept)
    setting = Setting(depth=depth, shortlist=shortlist, exact=20)
    hits = shelf.search(queries, ShelfRequest(k, WIDTH, setting, kept=kept))
    first = type(true)(true.ids[:, :k], true.scores[:, :k])
    counted = needs.found(depth, np.array([shortlist]), k)[:, 0]
    assert counted.mean() == pytest.approx(recalls(hits, first, no_one).mean(), abs=0.01)
    lists, _ = shelf.route(queries, depth, None, kept)
    assert needs.reading(depth)[0] == pytest.approx(shelf.rows_in(lists) / len(queries), rel=0.01)


def test_a_question_made_from_a_row_does_not_find_it(shelf: Shelf) -> None:
    rows = np.asarray(shelf.segments[0].rows[:50], np.float32)
    own = np.arange(50)
    true = true_nearest(rows, shelf.segments[0].rows, 10, WIDTH, own)
    needs = needs_of(shelf, rows, true.ids, own, COUNT)
    assert needs.found(1e5, np.array([COUNT]), 10).mean() > 0.999
    assert needs.candidates.shape == (50, COUNT)


def test_by_eye() -> None:
    """Two true rows: one in a near list at place 1, one in a far list at place 0."""
    needs = Needs(
        candidates=np.array([[9.0, 2.0]], np.float32),
        true=np.array([[2.0, 9.0]], np.float32),
        places=np.array([[1, 0]]),
        read=np.array([[2.0, 9.0]], np.float32),
        sizes=np.array([5, 7]),
    )
    assert needs.found(1.0, np.array([1, 2]), 2).tolist() == [[0.0, 0.0]]
    assert needs.found(2.0, np.array([1, 2]), 2).tolist() == [[0.5, 0.5]]  # nothing of the far list competes
    assert needs.found(9.0, np.array([1, 2]), 2).tolist() == [[0.5, 1.0]]
    assert needs.found(9.0, np.array([1, 2]), 1).tolist() == [[0.0, 1.0]]
    assert [needs.reading(depth) for depth in (1.0, 2.0, 9.0)] == [(0.0, 0.0), (5.0, 1.0), (12.0, 2.0)]


def test_one_side_needs_no_less_than_a_filter_at_random(shelf: Shelf) -> None:
    curves: Any = []
    sides = sides_of(shelf, clustered(60, 7), np.full(60, -1), np.zeros(60, np.int64), curves)
    assert sides.depth >= 0
    assert 1 <= sides.shortlist <= 4
