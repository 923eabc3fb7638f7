"""Exact search and the rules for lists of hits."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import neighbours
from index.contracts import Hits
from index.neighbours import join, scan, spread, top


def test_top_descends_breaks_ties_by_id_and_fills() -> None:
    hits = top(np.array([[7, 3, -1, 5]]), np.array([[0.5, 0.5, 9.0, 0.9]], np.float32), 5)
    assert hits.ids.tolist() == [[5, 3, 7, -1, -1]]
    np.testing.assert_array_equal(hits.scores, np.array([[0.9, 0.5, 0.5, -np.inf, -np.inf]], np.float32))


def test_join_takes_the_best_of_all() -> None:
    one = Hits(np.array([[0, 1]]), np.array([[0.9, 0.1]], np.float32))
    two = Hits(np.array([[5, -1]]), np.array([[0.5, -np.inf]], np.float32))
    assert join([one, two], 2).ids.tolist() == [[0, 5]]


@pytest.mark.parametrize("chunk", [1, 7, 50, 1_000])
@pytest.mark.parametrize("k", [1, 10, 80])
def test_scan_equals_sorting_everything(k: int, chunk: int, monkeypatch: pytest.MonkeyPatch, nested_rows: Any) -> None:
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    rows, queries = nested_rows(60, 8, 1), nested_rows(4, 8, 2)
    hits = scan(queries, rows, k, dim=8)
    cosines = queries @ rows.T
    best = np.argsort(-cosines, axis=1)[:, :k]
    assert hits.ids[:, :60].tolist() == best.tolist()
    assert hits.ids.shape == (4, k)
    assert (hits.ids[:, 60:] == -1).all()


def test_masked_rows_are_no_hits() -> None:
    def hide_first(scores: Any, first: int) -> None:
        if first == 0:
            scores[:, 0] = -np.inf

    hits = scan(np.array([[1.0, 0.0]], np.float32), np.eye(2), 2, dim=2, hide=hide_first)
    assert hits.ids.tolist() == [[1, -1]]


@given(st.integers(0, 500), st.integers(0, 100), st.sampled_from([0.0, 0.5]))
def test_spread_is_even_and_distinct(n: int, count: int, shift: float) -> None:
    found = spread(n, count, shift)
    assert len({*found.tolist()}) == len(found) == min(n, count)
    assert all(0 <= at < n for at in found)


def test_spread_by_eye() -> None:
    assert spread(100, 4).tolist() == [12, 37, 62, 87]
    assert spread(100, 4, shift=0.0).tolist() == [0, 25, 50, 75]
    assert spread(3, 10).tolist() == [0, 1, 2]
    assert spread(0, 10).tolist() == []
