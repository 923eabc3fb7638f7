"""Calibrated scores and the measured recall."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed.encoder import truncate
from index.artifact import TopScores
from index.blend import Background, Voice, calibrated, source_numbers, spread, top_scores
from index.segment import Segment


def _segment(modality: str, first_id: int, rows: Any) -> Segment:
    return Segment(modality, first_id, np.asarray(rows, np.float16))


def test_a_background_turns_cosines_into_deviations() -> None:
    background = Background([_segment("text", 0, [[1, 0], [-1, 0]])])  # cosines 1 and -1: mean 0, deviation 1
    scores = np.array([[0.5, -np.inf]], np.float32)
    np.testing.assert_array_equal(background.standardise(np.array([[1, 0]], np.float32), scores, 2), scores)


def test_a_background_of_equal_rows_stays_finite() -> None:
    background = Background([_segment("text", 0, [[1, 0]] * 3)])
    standard = background.standardise(np.array([[1, 0]], np.float32), np.array([[1.0]], np.float32), 2)
    assert abs(standard[0, 0]) < 1e-3


def test_zero_is_the_usual_best() -> None:
    scores = calibrated(np.array([[3.0, 5.0, -np.inf]], np.float32), TopScores(mean=3.0, std=2.0))
    assert scores.tolist() == [[0.0, 1.0, -np.inf]]


@pytest.mark.parametrize("asker", ["typed", "spoken"])
def test_usual_answers_of_both_modalities_score_alike_whoever_asks(asker: str, nested_rows: Any) -> None:
    def apart(rows: Any) -> Any:
        return truncate(rows + 2 * np.eye(32, dtype=np.float32)[0], 32)

    segments = [_segment("speech", 0, apart(nested_rows(900, 32, 2))), _segment("text", 900, nested_rows(400, 32, 1))]
    numbers = np.arange(900), np.arange(900, 1_300)
    found = top_scores([Voice(*pair) for pair in zip(segments, numbers, strict=True)], (32, 8))
    queries = nested_rows(200, 32, 3) if asker == "typed" else apart(nested_rows(200, 32, 4))
    cosines, scores = {}, {}
    for segment in segments:
        hits = segment.read_all(queries, 32, 10, None)
        standard = Background([segment]).standardise(queries, hits.scores, 32)
        cosines[segment.modality] = hits.scores.mean()
        scores[segment.modality] = calibrated(standard, found[segment.modality][32]).mean()
    # The asker's own modality is nearer by far, and calibrated by a small part of a deviation only.
    assert (cosines["text"] - cosines["speech"] > 0.15) == (asker == "typed")
    assert abs(scores["speech"] - scores["text"]) < 0.25


def test_rows_of_the_same_source_do_not_set_the_usual_best(nested_rows: Any) -> None:
    """Overlapping windows of one recording are nearly equal; they say nothing about answers."""
    once = nested_rows(100, 32, 4)
    alone = top_scores([Voice(_segment("speech", 0, once), np.arange(100))], (32,))
    doubled = Voice(_segment("speech", 0, np.repeat(once, 2, axis=0)), np.repeat(np.arange(100), 2))
    lone, windows = (found["speech"][32] for found in (alone, top_scores([doubled], (32,))))
    assert abs(windows.mean - lone.mean) < 0.3  # with them it would lie near the perfect match


def test_one_single_document_is_calibrated_by_its_other_rows(nested_rows: Any) -> None:
    voice = Voice(_segment("text", 0, nested_rows(50, 16, 5)), np.zeros(50, np.int64))
    assert top_scores([voice], (16,))["text"][16].mean > 0.5


def test_a_single_row_is_calibrated_by_nothing(nested_rows: Any) -> None:
    voice = Voice(_segment("text", 0, nested_rows(1, 16, 6)), np.zeros(1, np.int64))
    assert top_scores([voice], (16,))["text"][16] == TopScores(mean=0.0, std=1.0)


def test_rows_of_one_document_have_one_number() -> None:
    speech = pa.table({"asset_id": [b"a", b"a", b"b"], "item": pa.array([None, None, None], pa.string())})
    text = pa.table({"asset_id": [b"c", b"c", b"c"], "item": ["1", "2", "2"]})
    spoken, typed = source_numbers([speech, text])
    assert spoken[0] == spoken[1] != spoken[2]
    assert typed[0] != typed[1] == typed[2]
    assert not {*spoken} & {*typed}


def test_spread_is_even_and_distinct() -> None:
    assert spread(100, 4).tolist() == [0, 25, 50, 75]
    assert spread(100, 4, shift=0.5).tolist() == [12, 37, 62, 87]
    assert spread(3, 10, shift=0.5).tolist() == [0, 1, 2]
    assert spread(0, 10).tolist() == []
