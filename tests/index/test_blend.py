"""Calibrated scores and the measured recall."""

from typing import Any

import numpy as np
import pytest

from embed.encoder import truncate
from index.artifact import TopScores
from index.calibrate import Background, Sources, calibrate, calibrated, recall, spread
from index.segment import Segment, prefix_index


def _segment(modality: str, first_id: int, rows: Any, shortlist_dim: int) -> Segment:
    half = np.asarray(rows, np.float16)
    return Segment(modality, first_id, prefix_index(half, shortlist_dim), half)


def test_a_background_turns_cosines_into_deviations() -> None:
    background = Background(np.array([[1, 0], [-1, 0]], np.float16))  # cosines 1 and -1: mean 0, deviation 1
    scores = np.array([[0.5, -np.inf]], np.float32)
    np.testing.assert_array_equal(background.standardise(np.array([[1, 0]], np.float32), scores, 2), scores)


def test_a_background_of_equal_rows_stays_finite() -> None:
    background = Background(np.array([[1, 0]] * 3, np.float16))
    standard = background.standardise(np.array([[1, 0]], np.float32), np.array([[1.0]], np.float32), 2)
    assert abs(standard[0, 0]) < 1e-3


def test_zero_is_the_usual_best() -> None:
    scores = calibrated(np.array([[3.0, 5.0, -np.inf]], np.float32), TopScores(mean=3.0, std=2.0))
    assert scores.tolist() == [[0.0, 1.0, -np.inf]]


@pytest.mark.parametrize("asker", ["typed", "spoken"])
def test_usual_answers_of_both_modalities_score_alike_whoever_asks(asker: str, nested_rows: Any) -> None:
    def apart(rows: Any) -> Any:
        return truncate(rows + 2 * np.eye(32, dtype=np.float32)[0], 32)

    segments = [
        _segment("speech", 0, apart(nested_rows(900, 32, 2)), 8),
        _segment("text", 900, nested_rows(400, 32, 1), 8),
    ]
    sources = Sources({"speech": np.arange(900), "text": np.arange(900, 1_300)})
    found = calibrate(segments, sources, (32, 8), depth=100)
    queries = nested_rows(200, 32, 3) if asker == "typed" else apart(nested_rows(200, 32, 4))
    cosines, scores = {}, {}
    for segment in segments:
        hits, _ = segment.search(queries, 10, 32, 900, [np.empty(0, np.int64)] * 200)
        standard = Background(segment.rows).standardise(queries, hits.scores, 32)
        cosines[segment.modality] = hits.scores.mean()
        scores[segment.modality] = calibrated(standard, found[segment.modality].top_scores[32]).mean()
    # The asker's own modality is nearer by far, and calibrated by a small part of a deviation only.
    assert (cosines["text"] - cosines["speech"] > 0.15) == (asker == "typed")
    assert abs(scores["speech"] - scores["text"]) < 0.25


def test_rows_of_the_same_source_do_not_set_the_usual_best(nested_rows: Any) -> None:
    """Overlapping windows of one recording are nearly equal; they say nothing about answers."""
    once = nested_rows(100, 32, 4)
    alone = calibrate([_segment("speech", 0, once, 32)], Sources({"speech": np.arange(100)}), (32,), 50)
    doubled, sources = np.repeat(once, 2, axis=0), Sources({"speech": np.repeat(np.arange(100), 2)})
    twice = calibrate([_segment("speech", 0, doubled, 32)], sources, (32,), 50)
    lone, windows = (found["speech"].top_scores[32] for found in (alone, twice))
    assert abs(windows.mean - lone.mean) < 0.3  # with them it would lie near the perfect match


def test_one_single_document_is_calibrated_by_its_other_rows(nested_rows: Any) -> None:
    segment = _segment("text", 0, nested_rows(50, 16, 5), 16)
    usual = calibrate([segment], Sources({"text": np.zeros(50, np.int64)}), (16,), 50)["text"].top_scores[16]
    assert usual.mean > 0.5


def test_a_single_row_is_calibrated_by_nothing(nested_rows: Any) -> None:
    segment = _segment("text", 0, nested_rows(1, 16, 6), 16)
    found = calibrate([segment], Sources({"text": np.zeros(1, np.int64)}), (16,), 50)["text"]
    assert found.top_scores[16] == TopScores(mean=0.0, std=1.0)
    assert found.recall_at_10 == 1.0


def test_recall_falls_with_the_depth(nested_rows: Any) -> None:
    segment = _segment("text", 10, nested_rows(1_000, 64, 7), 16)
    queries, ids = np.asarray(segment.rows[:64], np.float32), np.arange(10, 74)
    recalls = [recall(segment, queries, ids, depth) for depth in (10, 60, 1_000)]
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.9
    assert recalls[-1] == 1.0


def test_spread_is_even_and_distinct() -> None:
    assert spread(100, 4).tolist() == [0, 25, 50, 75]
    assert spread(100, 4, shift=0.5).tolist() == [12, 37, 62, 87]
    assert spread(3, 10, shift=0.5).tolist() == [0, 1, 2]
    assert spread(0, 10).tolist() == []
