"""Scores of the demo's questions on vectors whose answer is seen by eye."""

import numpy as np
import pyarrow as pa
import pytest

from embed import tables
from embed.encoder import FloatArray
from evaluate.measures.names import NDCG, RECALL
from jobs.demo.demo_material import Broadcast
from jobs.demo.demo_questions import TYPED, Group, Known, ndcg_by_dim, score

PROGRAMME = "archive/fr/programme-01.wav"


def speech_row(number: int, start_s: float, end_s: float, vector: FloatArray) -> dict[str, object]:
    ids = {name: bytes([number]) * 16 for name in ("segment_id", "asset_id", "unit_id")}
    return {
        **ids, "uri": PROGRAMME, "content_version": "v", "modality": "speech", "start_s": start_s, "end_s": end_s,
        "space": "s", "encoder": "e", "vector": vector.astype(np.float16),
    }  # fmt: skip


@pytest.fixture
def known() -> Known:
    """Twenty segments of two seconds, one axis each."""
    axes = np.eye(20, dtype=np.float32)
    rows = [speech_row(i, 2.0 * i, 2.0 * i + 2, axes[i]) for i in range(20)]
    said = [Broadcast(PROGRAMME, 2.0 * i + 0.2, 2.0 * i + 1.8, f"k{i}", "fr", "t", "test") for i in range(20)]
    return Known(pa.Table.from_pylist(rows, schema=tables.rows(20)), said)


def group(known: Known, vectors: FloatArray, relevant: list[set[int]]) -> Group:
    names = [str(i) for i in range(len(vectors))]
    return Group(TYPED, "typed", "speech", names, [None] * len(names), vectors, names, relevant)


def test_right_is_what_covers_half_of_the_span(known: Known) -> None:
    assert known.speech_rows(known.broadcasts[3]) == {3}
    across = Broadcast(PROGRAMME, 3.0, 5.0, "k", "fr", "t", "test")
    assert known.speech_rows(across) == {1, 2}
    assert known.speech_rows(Broadcast("another.wav", 3.0, 5.0, "k", "fr", "t", "test")) == set()


def test_perfect_questions_score_one_and_lost_moments_count_as_missed(known: Known) -> None:
    vectors = np.eye(20, dtype=np.float32)[:4]
    perfect = score([group(known, vectors, [{0}, {1}, {2}, {3}])], known, 20)[TYPED]
    assert perfect.measured[RECALL].mean == 1.0
    assert perfect.measured[NDCG].mean == 1.0
    assert perfect.by_chance[RECALL] == pytest.approx(0.5)
    lost = score([group(known, vectors, [{0}, set(), {2}, set()])], known, 20)[TYPED]
    assert lost.measured[RECALL].mean == 0.5


def test_a_prefix_that_lost_the_axis_scores_worse(known: Known) -> None:
    vectors = np.eye(20, dtype=np.float32)[[0, 15]]
    by_dim = ndcg_by_dim([group(known, vectors, [{0}, {15}])], known, [20, 4])["typed"]
    assert by_dim[20].mean == 1.0
    assert by_dim[4].mean < 1.0


def test_a_moment_is_found_once(known: Known) -> None:
    """Two rows answer; the first right one stands second: 1 / log2(3), whatever the other does."""
    vector = np.zeros((1, 20), np.float32)
    vector[0, [5, 0, 1]] = 3.0, 2.0, 1.0
    found = score([group(known, vector, [{0, 1}])], known, 20)[TYPED]
    assert found.measured[NDCG].mean == pytest.approx(1 / np.log2(3))


@pytest.mark.slow
def test_chance_is_what_shuffling_reaches(known: Known) -> None:
    shuffled = np.random.default_rng(0).normal(size=(4000, 20)).astype(np.float32)
    found = score([group(known, shuffled, [{0, 1}] * 4000)], known, 20)[TYPED]
    assert found.measured[RECALL].mean == pytest.approx(found.by_chance[RECALL], abs=0.03)
    assert found.measured[NDCG].mean == pytest.approx(found.by_chance[NDCG], abs=0.03)
