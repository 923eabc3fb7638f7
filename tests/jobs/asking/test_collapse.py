"""Answers that are one sound, broadcast often, are one answer."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from embed.errors import InputError
from embed.identity import digest
from embed.repeats.table import REPEATS
from index.ask.answers import Answer
from jobs.asking.answers_table import as_table
from jobs.asking.collapse import Broadcasts, broadcasts_of
from jobs.command.terminal import drawn

ANSWER = Answer(1, 0.9, 7, "00", "speech", "monday", 10.0, 14.0, None, None, None, "en", "the spot", {})


def row(uri: str, start_s: float, end_s: float, of_start_s: float) -> dict[str, Any]:
    ids = {"asset_id": digest(uri), "of_asset_id": digest("monday"), "unit_id": digest(uri)}
    return {
        **ids, "uri": uri, "start_s": start_s, "end_s": end_s, "of_uri": "monday", "of_start_s": of_start_s,
        "speed": 1.0, "peaks": 60,
    }  # fmt: skip


# A spot of ten seconds at 8 s of monday, again on three days.
BROADCASTS = Broadcasts(
    pa.Table.from_pylist(
        [row("tuesday", 100.0, 110.0, 8.0), row("wednesday", 50.0, 60.0, 8.0), row("thursday", 0.0, 9.0, 9.0)],
        schema=REPEATS,
    )
)


def at(uri: str, start_s: float, end_s: float) -> Answer:
    return replace(ANSWER, uri=uri, start_s=start_s, end_s=end_s)


def test_broadcasts_of_one_sound_are_one_answer_with_their_number() -> None:
    text = replace(ANSWER, modality="text", start_s=None, end_s=None)
    other = at("tuesday", 30.0, 34.0)
    answers = [at("wednesday", 52.0, 56.0), text, at("monday", 10.0, 14.0), at("tuesday", 103.0, 106.0), other, text]
    found = BROADCASTS.collapsed(answers, 10)
    assert [(one.uri, one.modality, one.rank, count) for one, count in found] == [
        ("wednesday", "speech", 1, 3),
        ("monday", "text", 2, 0),
        ("tuesday", "speech", 3, 0),
        ("monday", "text", 4, 0),
    ]
    assert len(BROADCASTS.collapsed(answers, 2)) == 2


def test_another_part_of_the_same_spot_is_another_answer() -> None:
    found = BROADCASTS.collapsed([at("monday", 8.0, 12.0), at("tuesday", 105.0, 110.0)], 10)
    assert [(one.uri, count) for one, count in found] == [("monday", 3), ("tuesday", 3)]


def test_an_answer_that_only_touches_a_repeat_is_not_one() -> None:
    found = BROADCASTS.collapsed([at("monday", 8.0, 18.0), at("tuesday", 108.0, 118.0)], 10)
    assert [(one.uri, count) for one, count in found] == [("monday", 3), ("tuesday", 0)]


def test_the_table_shows_the_number_of_other_broadcasts() -> None:
    lines = drawn(as_table([ANSWER, replace(ANSWER, rank=2)], repeats=[299, 0])).splitlines()
    assert lines == [
        "#  score  asset              time  also  text",
        "1  0.900  monday  0:10.0 - 0:14.0  +299  the spot",
        "2  0.900  monday  0:10.0 - 0:14.0        the spot",
    ]


def test_without_a_table_the_error_has_the_cure(tmp_path: Any) -> None:
    with pytest.raises(InputError, match=rf"no table of repeats; .* make the table with: deglu repeats {tmp_path}"):
        broadcasts_of(str(tmp_path))
