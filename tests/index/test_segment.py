"""One segment: two stages, by eye and beside plain code."""

from typing import Any

import numpy as np
import pytest

from index import segment as segment_module
from index.contracts import Searcher
from index.search import Index
from index.segment import Segment, prefix_index

NOTHING = [np.empty(0, np.int64)]


def _segment(rows: Any, shortlist_dim: int, first_id: int = 0) -> Segment:
    half = np.asarray(rows, np.float16)
    return Segment("text", first_id, prefix_index(half, shortlist_dim), half)


def test_the_index_keeps_the_searcher_contract() -> None:
    def promised(index: Index) -> Searcher:
        return index  # mypy compares the signatures

    assert promised.__annotations__["return"] is Searcher


def test_the_shortlist_sees_the_prefix_and_the_ranking_all(nested_rows: Any) -> None:
    """Row 0 has the query's prefix, row 1 is the query: one candidate is wrong, two are enough."""
    segment = _segment([[1, 0, 0, 0.9], [0.8, 0.6, 0, 0]], shortlist_dim=2, first_id=10)
    query = np.array([[1, 0.1, 0, -0.3]], np.float32)
    assert segment.search(query, 1, 4, 1, NOTHING)[0].ids.tolist() == [[10]]
    assert segment.search(query, 1, 4, 2, NOTHING)[0].ids.tolist() == [[11]]


def test_prefixes_are_renormalised() -> None:
    """A long prefix must not win by its length."""
    segment = _segment([[0.9, 0.4, 0.17], [0.1, 0.0, 0.99]], shortlist_dim=2)
    assert segment.search(np.array([[1, 0, 0]], np.float32), 1, 2, 1, NOTHING)[0].ids.tolist() == [[1]]


@pytest.mark.parametrize("block_bytes", [1, 10_000, 1 << 30])
def test_blocks_do_not_change_the_ranking(block_bytes: int, nested_rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    segment, queries = _segment(nested_rows(300, 32, 1), 8), nested_rows(9, 32, 2)
    expected = segment.search(queries, 7, 32, 50, NOTHING * 9)[0]
    monkeypatch.setattr(segment_module, "RANK_BYTES", block_bytes)
    found = segment.search(queries, 7, 32, 50, NOTHING * 9)[0]
    assert found.ids.tolist() == expected.ids.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_hiding_every_candidate_still_leaves_others(nested_rows: Any) -> None:
    segment, query = _segment(nested_rows(100, 16, 3), 8), nested_rows(1, 16, 4)
    first = segment.search(query, 10, 16, 10, NOTHING)[0].ids[0]
    then = segment.search(query, 10, 16, 10, [first])[0].ids[0]
    assert len({*first.tolist(), *then.tolist()}) == 20
    assert segment.search(query, 3, 16, 3, [np.arange(100)])[0].ids.tolist() == [[-1, -1, -1]]
