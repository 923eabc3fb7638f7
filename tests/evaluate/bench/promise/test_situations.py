"""The promise's bench on made-up rows: filters keep what they say, and what is found is counted right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluate.bench.promise import situations as module
from evaluate.bench.promise.__main__ import of
from evaluate.bench.promise.questions import FRENCH, SPANS, WORD, Asked, typed, words
from evaluate.bench.promise.situations import Situation, filters, found, vectors_of
from index.calibration import calibrate, questions
from index.filter import parse_where
from index.spec import IndexSpec
from tests.index.shelves import clustered

N, WIDTH = 900, 32


@pytest.fixture(scope="module")
def data() -> Asked:
    rows = clustered(N, 1, WIDTH)
    langs = tuple(np.where(rows[:, 0] > 0, "en", "fr").tolist())
    asked = {SPANS: clustered(40, 2, WIDTH), WORD: clustered(40, 3, WIDTH)}
    texts = tuple(f"some words of the row {row}" for row in range(N))
    return Asked("made up", rows, texts, langs, asked, (WIDTH, 16), lambda some: clustered(len(some), 4, WIDTH))


def test_a_condition_keeps_the_rows_of_its_mask(data: Asked) -> None:
    table = vectors_of(data, np.ones(N, bool)).table
    for name, condition, may in filters(data):
        assert parse_where(condition).mask(table).tolist() == may.tolist(), name


def test_what_reads_every_row_finds_all(data: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_spec", lambda folder: IndexSpec(vectors="v", output=str(folder), ladder="exact"))
    some = np.arange(N) % 3 > 0
    index = module._built(data, some, tmp_path / "index")
    usual = Situation("some", index, module._numbers(index), some, (SPANS,))
    assert found(data, usual, SPANS, 0.95).min() == 1
    wrong = Situation("some", index, module._numbers(index)[::-1], some, (SPANS,))
    assert found(data, wrong, SPANS, 0.95).mean() == 1  # counted by scores, so that equal rows are equal answers


@pytest.mark.campaign
def test_every_situation_of_a_small_set(data: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "ROW_QUESTIONS", 200)
    monkeypatch.setattr(calibrate, "SURVIVORS", 6)
    document: Any = of(data)
    assert {one["situation"] for one in document["situations"]} >= {"all rows", "k = 100", "100 % appended"}
    assert all(row["ours"] > 0.8 for row in document["rows"])


def test_questions_are_of_different_passages() -> None:
    texts = [f"passage number {row} holds seven plain words" for row in range(60)]
    kinds = typed(texts, ["fr" if row % 2 else "en" for row in range(60)], 5)
    assert {kind: len(some) for kind, some in kinds.items()} == dict.fromkeys(kinds, 5)
    assert all(len(one.split()) == 1 for one in kinds[WORD])
    assert kinds[FRENCH]
    assert all(1 <= len(one.split()) <= 3 for one in words(texts, 3))
    assert typed(texts, ["fr"] * 60, 5) == typed(texts, ["fr"] * 60, 5)
