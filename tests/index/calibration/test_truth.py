"""The truth that recall is measured against, and recall itself."""

from typing import Any

import numpy as np
import pytest

from embed.encoder import truncate
from index.calibration import truth
from index.calibration.truth import lower_bound, recalls, true_nearest
from index.contracts import Hits
from tests.index.shelves import WIDTH, clustered

NONE = np.array([-1])


def _hits(ids: Any, scores: Any) -> Hits:
    return Hits(np.array(ids, np.int64), np.array(scores, np.float32))


def test_nearest_by_eye() -> None:
    rows = np.array([[0, 1], [1, 0], [0.6, 0.8], [-1, 0]], np.float16)
    found = true_nearest(np.array([[2, 0], [2, 0]], np.float32), rows, 2, 2, np.array([-1, 1]))
    assert found.ids.tolist() == [[1, 2], [2, 0]]  # row 1 is no answer to the second
    np.testing.assert_allclose(found.scores, [[1, 0.6], [0.6, 0]], atol=1e-3)


def test_fewer_rows_than_wanted() -> None:
    found = true_nearest(np.array([[1, 0]], np.float32), np.eye(2, dtype=np.float16), 4, 2, np.array([0]))
    assert found.ids.tolist() == [[1, -1, -1, -1]]


@pytest.mark.parametrize("chunk", [1, 90, 1_000])
@pytest.mark.parametrize("dim", [WIDTH, 5])
def test_nearest_is_sorting_everything(dim: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "CHUNK", chunk)
    rows, queries = clustered(200, 1).astype(np.float16), clustered(9, 2)
    own = np.arange(9)
    found = true_nearest(queries, rows, 10, dim, own)
    cosines = truncate(queries, dim) @ truncate(rows.astype(np.float32), dim).T
    cosines[own, own] = -1
    assert found.ids.tolist() == np.argsort(-cosines, axis=1)[:, :10].tolist()


TRUE = _hits([[1, 2, 3, 4]], [[0.9, 0.8, 0.7, 0.6]])


@pytest.mark.parametrize(
    ("ids", "scores", "own", "recall"),
    [
        ([1, 2, 3, 4], [0.9, 0.8, 0.7, 0.6], -1, 1.0),
        ([1, 2, 3, 5], [0.9, 0.8, 0.7, 0.5], -1, 0.75),
        ([1, -1, -1, -1], [0.9, -np.inf, -np.inf, -np.inf], -1, 0.25),
        ([1, 2, 3, 8], [0.9, 0.8, 0.7, 0.6], -1, 1.0),  # as good as row 4
        ([7, 1, 2, 3], [1.0, 0.9, 0.8, 0.7], 7, 0.75),  # finding itself is no merit
        ([6, 1, 2, 3, 4], [0.9, 0.9, 0.8, 0.7, 0.6], -1, 1.0),  # never above 1
    ],
    ids=["all", "one missing", "empty places", "a tie", "itself", "more"],
)
def test_recall_by_eye(ids: Any, scores: Any, own: int, recall: float) -> None:
    assert recalls(_hits([ids], [scores]), TRUE, np.array([own])).tolist() == [recall]


def test_where_there_is_less_to_find_less_is_wanted() -> None:
    few = _hits([[1, 2, -1, -1], [-1] * 4], [[0.9, 0.8, -np.inf, -np.inf], [-np.inf] * 4])
    found = _hits([[1, 9, -1, -1], [3, -1, -1, -1]], [[0.9, 0.1, -np.inf, -np.inf], [0.3, *[-np.inf] * 3]])
    assert recalls(found, few, np.array([-1, -1])).tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("values", "low"),
    [
        ([0.9, 1.0] * 50, 0.95 - 1.645 * np.std([0.9, 1.0] * 50, ddof=1) * np.sqrt(2 / 100)),
        ([1.0] * 300, 1 - 1.645 * 0.01 * np.sqrt(2 / 300)),  # three in 300, of one hit in ten each
        ([0.5], 0.5 - 1.645 * np.sqrt(2)),  # one question says nothing
    ],
    ids=["spread", "nothing lost", "one"],
)
def test_lower_bound_by_hand(values: Any, low: float) -> None:
    assert lower_bound(np.array(values, np.float32)) == pytest.approx(low, abs=1e-5)


def test_lower_bounds_hold_19_times_in_20() -> None:
    """Of pairs of draws from the same questions, the second's mean is seldom below what the first promised."""
    rng = np.random.default_rng(0)
    draws = 1 - rng.binomial(10, 0.02, size=(4_000, 200)) / 10
    kept = [draws[i + 1].mean() >= lower_bound(draws[i]) for i in range(0, 4_000, 2)]
    assert np.mean(kept) == pytest.approx(0.95, abs=0.015)
