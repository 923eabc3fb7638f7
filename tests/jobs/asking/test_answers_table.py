"""Answers as people see them."""

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


def test_the_question_is_the_title() -> None:
    assert drawn(as_table([TEXT], "star [1]")).splitlines()[0] == "star [1]"
