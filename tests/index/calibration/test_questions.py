"""What is asked when an index is calibrated: halves, kinds, and which row is no answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.tables import PROVENANCE
from index.calibration import questions as questions_module
from index.calibration.questions import FEWEST, SPAN_WORDS, TYPED, Questions, questions_for, span
from index.rungs.segment import Segment
from tests.index import shelves
from tests.index.shelves import WIDTH, clustered

ROWS = 200


@pytest.fixture
def segment() -> Segment:
    return shelves.segment(clustered(ROWS, 1), first_id=1_000)


def _told(folder: Path, vectors_of: Any, texts: Sequence[str | None]) -> Path:
    table = vectors_of(text=[[1, 0]] * len(texts)).table.select(PROVENANCE.names)
    table = table.set_column(table.schema.get_field_index("text"), PROVENANCE.field("text"), [list(texts)])
    pq.write_table(table, folder / "provenance.parquet")
    return folder


class Listener:
    """Encodes texts as directions, and remembers them."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.hears = False

    def __call__(self, texts: Sequence[str]) -> Any:
        self.heard += texts
        return 3 * clustered(len(texts), 5)


def _kinds(some: Sequence[Questions]) -> dict[str, int]:
    return {questions.kind: len(questions.own) for questions in some}


def test_rows_are_halved_where_they_are_few(segment: Segment) -> None:
    split = questions_for(segment, Path("unread"), None, None)
    assert _kinds(split.choose) == _kinds(split.report) == {"rows": ROWS // 2}
    choose, report = split.choose[0], split.report[0]
    assert sorted([*choose.own, *report.own]) == list(range(ROWS))
    assert np.abs(np.diff(report.own)).max() > ROWS // 2  # from everywhere, not from the last lists


def test_a_row_asks_with_its_own_vector_and_is_no_answer(segment: Segment) -> None:
    (report,) = questions_for(segment, Path("unread"), None, None).report
    np.testing.assert_allclose(report.vectors, segment.rows[report.own], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(report.vectors, axis=1), 1, atol=1e-5)


def test_many_rows_are_sampled_and_few_of_them_reported(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions_module, "ROW_QUESTIONS", 50)
    monkeypatch.setattr(questions_module, "ROWS_REPORTED", 10)
    split = questions_for(segment, Path("unread"), None, None)
    assert (_kinds(split.choose), _kinds(split.report)) == ({"rows": 40}, {"rows": 10})
    asked = np.sort(np.concatenate([split.choose[0].own, split.report[0].own]))
    assert np.diff(asked).tolist() == [4] * 49


def test_the_same_questions_every_time(segment: Segment) -> None:
    one, two = (questions_for(segment, Path("unread"), None, None).report[0] for _ in range(2))
    assert one.own.tolist() == two.own.tolist()


def test_spans_and_words_of_texts_are_asked_too(tmp_path: Path, segment: Segment, vectors_of: Any) -> None:
    texts = [" ".join(f"w{row}.{word}" for word in range(40)) for row in range(ROWS)]
    encode = Listener()
    split = questions_for(segment, _told(tmp_path, vectors_of, texts), encode, None)
    cut = max(FEWEST, int(0.3 * (ROWS // 3)))
    assert _kinds(split.choose) == {"rows": 100, "spans": cut, "words": cut, "word": cut}
    own = {choose.kind: [*choose.own, *report.own] for choose, report in zip(split.choose, split.report, strict=True)}
    asked = [row for kind in TYPED for row in own[kind]]
    assert sorted(asked) == list(range(ROWS))  # each row in one kind
    assert all(said in texts[row] for said, row in zip(encode.heard, asked, strict=True))
    lengths = {kind: {len(said.split()) for said in encode.heard[: len(own[kind])]} for kind in ("spans",)}
    assert lengths["spans"] <= set(range(5, 13))
    assert {len(said.split()) for said in encode.heard[-len(own["word"]) :]} == {1}
    np.testing.assert_allclose(np.linalg.norm(split.report[1].vectors, axis=1), 1, atol=1e-5)


def test_rows_of_the_other_modality_ask_too(segment: Segment) -> None:
    split = questions_for(segment, Path("unread"), None, None, 3 * clustered(2 * FEWEST, 8))
    assert _kinds(split.choose) == {"rows": 100, "other": FEWEST}
    assert (split.report[1].own == -1).all()
    np.testing.assert_allclose(np.linalg.norm(split.report[1].vectors, axis=1), 1, atol=1e-5)
    assert _kinds(questions_for(segment, Path("unread"), None, None, clustered(2 * FEWEST - 1, 8)).report) == {
        "rows": 100
    }


@pytest.mark.parametrize("hears", [True, False])
def test_where_the_model_hears_and_there_is_no_speech_spans_spread(
    hears: bool, tmp_path: Path, segment: Segment, vectors_of: Any
) -> None:
    encode = Listener()
    encode.hears = hears
    texts = [f"some words of row {row}" for row in range(ROWS)]
    split = questions_for(segment, _told(tmp_path, vectors_of, texts), encode, None)
    assert ("spread" in _kinds(split.report)) is hears
    if hears:
        spans, moved = split.report[1], split.report[-1]
        cosines = (spans.vectors * moved.vectors).sum(axis=1)
        assert 0.65 < cosines.mean() < 0.8


@pytest.mark.parametrize("told", [0, 2 * FEWEST - 1, 2 * FEWEST])
def test_too_few_texts_are_no_kind(told: int, tmp_path: Path, segment: Segment, vectors_of: Any) -> None:
    texts = ["some words here"] * told + [None, " "] * ((ROWS - told + 1) // 2)
    split = questions_for(segment, _told(tmp_path, vectors_of, texts[:ROWS]), Listener(), None)
    assert _kinds(split.report) == {"rows": 100} | (dict.fromkeys(TYPED, FEWEST) if told == 2 * FEWEST else {})


def test_a_log_stands_in_for_all_others(segment: Segment) -> None:
    log = 2 * clustered(101, 6)
    split = questions_for(segment, Path("unread"), Listener(), log)
    assert _kinds(split.report) == {"log": 51}
    assert _kinds(split.choose) == {"rows": 100, "log": 50}  # rows still teach the router
    np.testing.assert_allclose(split.report[0].vectors, log[50:] / 2, atol=1e-5)
    assert (split.report[0].own == -1).all()


def test_too_short_a_log_says_nothing(segment: Segment) -> None:
    log = clustered(2 * FEWEST - 1, 6)
    assert _kinds(questions_for(segment, Path("unread"), None, log).report) == {"rows": 100}


@pytest.mark.slow
@given(st.lists(st.text("abc", min_size=1), max_size=30), st.integers(0, 9))
def test_a_span_is_some_words_in_a_row(words: list[str], seed: int) -> None:
    found = span("  ".join(words), np.random.default_rng(seed)).split()
    assert len(found) == len(words) if len(words) < SPAN_WORDS[0] else SPAN_WORDS[0] <= len(found) <= SPAN_WORDS[1]
    assert any(words[start : start + len(found)] == found for start in range(len(words) + 1))


def test_some_of_the_questions() -> None:
    some = Questions("rows", np.eye(WIDTH, dtype=np.float32), np.arange(WIDTH)).some(slice(2, 4))
    assert (some.kind, some.own.tolist()) == ("rows", [2, 3])
    assert some.vectors.argmax(axis=1).tolist() == [2, 3]
