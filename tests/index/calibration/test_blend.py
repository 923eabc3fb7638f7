"""Calibrated scores: zero is a modality's usual best, whoever asks."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed.encoder import truncate
from index.calibration.blend import (
    Background,
    SourcedSegment,
    calibrated,
    source_numbers,
    top_scores,
    without_gap,
)
from index.neighbours import scan
from index.parts.artifact import TopScores
from tests.index import shelves


def _sourced(modality: str, rows: Any, sources: Any, first_id: int = 0) -> SourcedSegment:
    return SourcedSegment(shelves.segment(rows, first_id=first_id, modality=modality), np.asarray(sources, np.int64))


def test_a_background_turns_cosines_into_deviations() -> None:
    background = Background([shelves.segment([[1, 0], [-1, 0]])])  # cosines 1 and -1: mean 0, deviation 1
    scores = np.array([[0.5, -np.inf]], np.float32)
    np.testing.assert_array_equal(background.standardise(np.array([[1, 0]], np.float32), scores, 2), scores)


def test_a_background_of_equal_rows_stays_finite() -> None:
    background = Background([shelves.segment([[1, 0]] * 3)])
    standard = background.standardise(np.array([[1, 0]], np.float32), np.array([[1.0]], np.float32), 2)
    assert abs(standard[0, 0]) < 1e-3


def test_a_background_is_of_all_segments(nested_rows: Any) -> None:
    rows, query = nested_rows(1_500, 16, 1), nested_rows(1, 16, 2)
    scores = np.array([[0.3]], np.float32)
    cuts = [rows[:900], rows[900:901], rows[901:]]
    one = Background([shelves.segment(rows)])
    three = Background([shelves.segment(some, first_id=10_000 * at) for at, some in enumerate(cuts)])
    assert three.standardise(query, scores, 16) == one.standardise(query, scores, 16)


def test_zero_is_the_usual_best() -> None:
    scores = calibrated(np.array([[3.0, 5.0, -np.inf]], np.float32), TopScores(mean=3.0, std=2.0))
    assert scores.tolist() == [[0.0, 1.0, -np.inf]]


def test_few_rows_are_compared_by_cosines_without_the_gap() -> None:
    """Speech is nearer to the query by .3, whatever it says; the text that answers is .4 above the other texts."""
    speech, text = np.array([[0.40, 0.42, 0.44]]), np.array([[0.52, 0.10, 0.12, 0.14]])
    found = without_gap([speech, text], [speech, text], [3, 4])
    assert found[1][0, 0] > found[0].max() + 0.25
    for scores, cosines in zip(
        found, (speech, text), strict=True
    ):  # the order within a modality is that of its cosines
        assert np.array_equal(np.argsort(scores), np.argsort(cosines))


def test_a_single_row_is_compared_with_the_rows_of_the_other_modality() -> None:
    speech, text = np.array([[0.5]]), np.array([[0.1, 0.2, 0.3]])
    found = without_gap([speech, text], [speech, text], [1, 3])
    np.testing.assert_allclose(found[0], 0.5 - 0.15, atol=1e-6)
    assert found[1].max() < 0.3 - 0.15
    less = np.array([[0.4]])
    both = without_gap([speech, less], [speech, less], [1, 1])  # nothing is known but the cosines
    np.testing.assert_allclose(both, [[[0.5]], [[0.4]]], atol=1e-6)


def test_an_empty_place_stays_empty_without_the_gap() -> None:
    assert without_gap([np.array([[-np.inf]])], [np.array([[0.1, 0.2]])], [0])[0].tolist() == [[-np.inf]]


@pytest.mark.parametrize("asker", ["typed", "spoken"])
def test_usual_answers_of_both_modalities_score_alike_whoever_asks(asker: str, nested_rows: Any) -> None:
    def apart(rows: Any) -> Any:
        return truncate(rows + 2 * np.eye(32, dtype=np.float32)[0], 32)

    segments = [
        _sourced("speech", apart(nested_rows(900, 32, 2)), np.arange(900)),
        _sourced("text", nested_rows(400, 32, 1), np.arange(900, 1_300), first_id=900),
    ]
    usual = top_scores(segments, (32, 8))
    queries = nested_rows(200, 32, 3) if asker == "typed" else apart(nested_rows(200, 32, 4))
    cosines, scores = {}, {}
    for one in segments:
        name, hits = one.segment.modality, scan(queries, one.segment.rows, 10, 32)
        standard = Background([one.segment]).standardise(queries, hits.scores, 32)
        cosines[name], scores[name] = hits.scores.mean(), calibrated(standard, usual[name][32]).mean()
    # The asker's own modality is nearer by far, and calibrated by a small part of a deviation only.
    assert (cosines["text"] - cosines["speech"] > 0.15) == (asker == "typed")
    assert abs(scores["speech"] - scores["text"]) < 0.25


def test_rows_of_the_same_source_do_not_set_the_usual_best(nested_rows: Any) -> None:
    """Overlapping windows of one recording are nearly equal; they say nothing about answers."""
    once = nested_rows(100, 32, 4)
    lone = top_scores([_sourced("speech", once, np.arange(100))], (32,))["speech"][32]
    windows = top_scores([_sourced("speech", np.repeat(once, 2, axis=0), np.repeat(np.arange(100), 2))], (32,))
    assert abs(windows["speech"][32].mean - lone.mean) < 0.3  # with them it would lie near the perfect match


def test_one_single_document_is_calibrated_by_its_other_rows(nested_rows: Any) -> None:
    usual = top_scores([_sourced("text", nested_rows(50, 16, 5), np.zeros(50))], (16,))["text"][16]
    assert usual.mean > 0.5


def test_a_single_row_is_calibrated_by_nothing(nested_rows: Any) -> None:
    usual = top_scores([_sourced("text", nested_rows(1, 16, 6), np.zeros(1))], (16,))
    assert usual == {"text": {16: TopScores(mean=0.0, std=1.0)}}


def test_a_source_is_an_item_of_an_asset() -> None:
    def table(*rows: tuple[str, str | None]) -> pa.Table:
        return pa.table(
            {"asset_id": [asset for asset, _ in rows], "item": pa.array([item for _, item in rows], pa.string())}
        )

    speech, text = source_numbers(
        [table(("a", None), ("a", None), ("b", None)), table(("c", "1"), ("c", "2"), ("a", None))]
    )
    assert speech[0] == speech[1] == text[2]
    assert len({*speech.tolist(), *text.tolist()}) == 4
