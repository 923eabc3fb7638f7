"""Answers as people see them."""

from dataclasses import replace
from typing import Any

import pytest

from index.ask.answers import Answer
from jobs.asking.answers_table import as_table
from jobs.command.terminal import drawn

REST: dict[str, Any] = {"item": None, "lang": "en", "metadata": {}}
TEXT = Answer(1, 1.0, 7, "00", "text", "a.txt", None, None, start=10, end=14, text="press [star]", **REST)
SPEECH = Answer(2, 0.5, 8, "01", "speech", "b.wav", 75.0, 76.5, start=None, end=None, text=None, **REST)


@pytest.mark.parametrize(
    ("answers", "lines"),
    [
        ([TEXT], ["#  score  asset  characters  text", "1  1.000  a.txt     10 - 14  press [star]"]),
        ([SPEECH], ["#  score  asset             time  text", "2  0.500  b.wav  1:15.0 - 1:16.5"]),
        (
            [TEXT, SPEECH],
            [
                "#  score  asset             time  characters  text",
                "1  1.000  a.txt                      10 - 14  press [star]",
                "2  0.500  b.wav  1:15.0 - 1:16.5",
            ],
        ),
    ],
    ids=["text", "speech", "both"],
)
def test_time_and_characters_have_a_column_each_where_they_are_needed(answers: list[Answer], lines: list[str]) -> None:
    assert drawn(as_table(answers)).splitlines() == lines


def test_title_date_and_chapter_have_a_column_where_an_answer_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    of_a_programme = replace(SPEECH, metadata={"date": "2019-04-01", "title": "Journal [1]", "chapter": "Weather"})
    lines = drawn(as_table([of_a_programme, replace(TEXT, metadata={"title": "long " * 20})])).splitlines()
    assert lines[0].split() == ["#", "score", "asset", "time", "characters", "title", "text"]
    assert "Journal [1] · 2019-04-01 · Weather" in lines[1]
    assert "title" not in drawn(as_table([TEXT, SPEECH]))
    assert sum(line.count("long") for line in lines[2:]) == 11


def test_the_question_is_the_title() -> None:
    assert drawn(as_table([TEXT], "star [1]")).splitlines()[0] == "star [1]"
