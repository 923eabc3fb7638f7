"""Answers as people see them."""

import io
from typing import Any

from rich.console import Console

from index.ask.answers import Answer
from jobs.asking.answers_table import as_table


def test_a_row_shows_score_asset_place_and_text() -> None:
    rest: dict[str, Any] = {"start_s": None, "end_s": None, "item": None, "lang": "en", "metadata": {}}
    answer = Answer(1, 1.0, 7, "00", "text", "radio/text.x", start=10, end=14, text="press [star]", **rest)
    console = Console(file=io.StringIO(), width=100)
    console.print(as_table([answer], "star"))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert all(part in shown for part in ("star", "1.000", "radio/text.x", "10 - 14", "press [star]"))
