"""Recordings with transcripts, cut: the text of their segments, and segments that follow the cues."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from embed.encoder import FloatArray
from embed.segmentation.cues import Cues
from embed.segmentation.cut import cut
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.text.transcripts import Cue
from tests.embed.sounds import LETTERS, PASSAGE, tone, units_of, write_wave

Voice = Callable[[float, int], FloatArray]
WINDOWS = SegmentSpec(mode="windows", window_s=2, hop_s=1, max_s=2, unit_s=10)
BY_CUES = SegmentSpec(mode="transcript", unit_s=10)


def srt(*cues: tuple[float, float, str]) -> str:
    def clock(seconds: float) -> str:
        return f"00:{int(seconds) // 60:02}:{int(seconds) % 60:02},{round(seconds % 1 * 1000):03}"

    lines = (f"{number}\n{clock(a)} --> {clock(b)}\n{text}\n" for number, (a, b, text) in enumerate(cues, 1))
    return "\n".join(lines)


def rows_of(folder: Path, segment: SegmentSpec = WINDOWS, **about: Any) -> list[dict[str, Any]]:
    units = units_of(folder, segment, transcripts="joined", **about)
    found: list[dict[str, Any]] = cut(units, Cutting(segment, PASSAGE, LETTERS.digest), LETTERS).to_pylist()
    return found


def texts(rows: list[dict[str, Any]]) -> list[tuple[int, int, str | None]]:
    return [(one["start"], one["end"], one["text"]) for row in rows for one in row["segments"]]


def messages(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["stage"], one["message"]) for row in rows for one in row["failures"]]


def test_a_cue_is_of_the_segments_with_which_it_shares_half_of_the_shorter() -> None:
    cues = Cues((Cue(0, 2000, "a"), Cue(1500, 4500, "b"), Cue(5000, 15_000, "long"), Cue(20_000, 20_001, "point")))
    assert cues.text((0, 2000)) == "a"  # b lies mostly in the next one
    assert cues.text((2000, 5000)) == "b"
    assert cues.text((0, 5000)) == "a b"  # a window around both
    assert [cues.text(span) for span in ((5500, 7000), (9000, 11_000))] == ["long", "long"]
    assert cues.text((14_500, 19_000)) is None
    assert [cues.text(span) for span in ((19_000, 20_000), (20_000, 21_000))] == [None, "point"]


def test_words_with_times_are_given_one_by_one() -> None:
    words = (Cue(0, 900, " Le"), Cue(900, 2200, " marché"), Cue(2200, 3000, " rouvre."))
    cues = Cues((Cue(0, 3000, "Le marché rouvre.", words), Cue(3000, 4000, "Bien")))
    assert [cues.text(span) for span in ((0, 2000), (2000, 4000))] == ["Le marché", "rouvre. Bien"]


def test_the_words_of_a_long_cue_are_spread_over_its_time() -> None:
    """As of a transcript that is one text for the whole recording."""
    cues = Cues((Cue(0, 100_000, " ".join(["mot"] * 50 + ["fin"] * 50)),))
    assert [cues.text(span) for span in ((0, 5000), (49_000, 51_000), (97_000, 99_000))] == [
        "mot mot mot mot mot",
        "mot fin",
        "fin fin",
    ]
    assert Cues((Cue(0, 100_000, "mot"),)).text((0, 5000)) == "mot"


def test_cues_are_joined_over_short_pauses_up_to_max_s() -> None:
    spec = SegmentSpec(mode="transcript", max_s=12, silence_s=0.5, min_s=0.25)
    spans = [(0, 5000), (5200, 9000), (9100, 13_000), (13_600, 14_000), (20_000, 20_100), (30_000, 60_000)]
    cues = Cues(tuple(Cue(start, end, "x") for start, end in spans))
    assert cues.spans(spec, 60_000)[:3] == [(0, 9000), (9100, 13_000), (13_600, 14_000)]  # 20.0 to 20.1 s is too short
    assert cues.spans(spec, 60_000)[3:5] == [(30_000, 42_000), (36_000, 48_000)]  # windows
    overlapping = Cues((Cue(0, 8000, "a"), Cue(1000, 2000, "b"), Cue(6000, 11_000, "c"), Cue(10_000, 15_000, "d")))
    assert overlapping.spans(spec, 14_000) == [(0, 11_000), (10_000, 14_000)]
    assert Cues((Cue(0, 10**12, "a"),)).spans(spec, 12_000) == [(0, 12_000)]


def test_the_text_of_segments_in_every_unit(tmp_path: Path) -> None:
    """Two units; with another text a segment has another id, by which an index replaces it."""
    write_wave(tmp_path / "a.wav", tone(16, 440))
    plain = rows_of(tmp_path)
    (tmp_path / "a.srt").write_text(srt((0, 2, "un"), (9, 10, "dix"), (10, 11, "onze"), (14.5, 16, "seize")))
    rows = rows_of(tmp_path)
    found = {(start, text) for start, _, text in texts(rows) if text}
    assert found == {(0, "un"), (1000, "un"), (8000, "dix"), (9000, "dix onze"), (10_000, "onze"),
                     (14_000, "seize")}  # fmt: skip
    assert messages(rows) == []
    ids = [{one["segment_id"] for row in which for one in row["segments"]} for which in (plain, rows)]
    assert len(ids[0]) == len(ids[1]) > 0
    assert not ids[0] & ids[1]


@pytest.mark.slow
def test_stretches_of_speech_and_windows_around_them(tmp_path: Path, voice: Voice) -> None:
    hush = np.zeros(16_000, np.float32)
    soundfile.write(tmp_path / "a.wav", np.concatenate([voice(2.5, 4), hush, voice(1.5, 4), hush, voice(3, 4)]), 16_000)
    (tmp_path / "a.srt").write_text(srt((0, 2.6, "Le marché rouvre."), (3.4, 5.1, "Il pleut."), (6, 9, "Au revoir.")))
    found = [text for _, _, text in texts(rows_of(tmp_path, SegmentSpec()))]
    assert sorted(map(str, found)) == ["Au revoir.", "Il pleut.", "Le marché rouvre.",
                                       "Le marché rouvre. Il pleut. Au revoir."]  # fmt: skip


@pytest.mark.parametrize("unit_s", [10, 30, 1000])
def test_segments_that_follow_the_cues_are_the_same_in_units_of_any_length(tmp_path: Path, unit_s: int) -> None:
    write_wave(tmp_path / "a.wav", tone(45, 440))
    cues = [(start, start + 3.5, str(start)) for start in range(1, 35, 4)]
    (tmp_path / "a.srt").write_text(srt(*cues, (43, 47, "end")))
    rows = rows_of(tmp_path, SegmentSpec(mode="transcript", unit_s=unit_s, silence_s=1, max_s=12, window_s=8, hop_s=4))
    assert texts(rows) == [
        (1000, 12_500, "1 5 9"),
        (13_000, 24_500, "13 17 21"),
        (25_000, 36_500, "25 29 33"),
        (43_000, 45_000, "end"),
    ]
    assert sum(row["decoded_s"] for row in rows) == 45
    assert sum(row["not_speech_s"] for row in rows) == pytest.approx(45 - 3 * 11.5 - 2)
    assert [row["reason"] for row in rows if not row["segments"]] == ["no cue of its transcript begins in it"] * {
        10: 1
    }.get(unit_s, 0)
    for row in rows:
        assert len(row["signal"]) // 4 >= max((one["offset"] + one["length"] for one in row["segments"]), default=0)


@pytest.mark.slow
def test_without_a_cue_the_mode_is_hybrid(tmp_path: Path, voice: Voice) -> None:
    soundfile.write(tmp_path / "a.wav", voice(3, 4), 16_000)
    spans = [span[:2] for span in texts(rows_of(tmp_path, BY_CUES))]
    assert spans
    assert spans == [span[:2] for span in texts(rows_of(tmp_path, SegmentSpec()))]
    (tmp_path / "a.json").write_text('{"segments": []}')
    assert [span[:2] for span in texts(rows_of(tmp_path, BY_CUES))] == spans
    (tmp_path / "a.json").write_text('{"segments": [{"start": 0, "end": 1, "text": "a"}]}')
    assert texts(rows_of(tmp_path, BY_CUES)) == [(0, 1000, "a")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.vtt", b"WEBVTT\n", "no cue with a text and a time"),
        ("a.srt", srt((0, 1, "\u00e9t\u00e9")).encode("cp1252"), "set `encoding: cp1252` for its input"),
        ("a.TextGrid", b'"ooTextFile"\n"TextGrid"\n0\n', "not a complete TextGrid"),
        ("a.json", b'{"segments": [{"start": -1, "end": 2, "text": "x"}]}', "1 cue left out, .* 'x' from -1 to 2 s"),
        ("a.srt", srt((1, 2, "in"), (16, 17, "at"), (50, 51, "after")).encode(),
         r"2 cues after the end of the recording, 16 s: the last begins at 50 s"),
    ],
)  # fmt: skip
def test_a_bad_transcript_is_one_failure_and_the_recording_is_embedded(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    write_wave(tmp_path / "a.wav", tone(16, 440))
    write_wave(tmp_path / "b.wav", tone(16, 440))
    (tmp_path / name).write_bytes(content)
    for spec in (WINDOWS, BY_CUES):
        rows = rows_of(tmp_path, spec)
        ((stage, message),) = messages(rows)
        assert stage == "transcript"
        assert message.startswith(f"{tmp_path}/{name}: ")
        assert re.search(reason, message)
        assert {row["uri"] for row in rows if row["segments"]} >= ({"archive/a.wav"} if spec is WINDOWS else set())
        assert sum(row["lost_s"] for row in rows) == 0


def test_the_encoding_of_the_input_is_that_of_its_transcripts(tmp_path: Path) -> None:
    write_wave(tmp_path / "a.wav", tone(2, 440))
    (tmp_path / "a.srt").write_bytes(srt((0, 2, "\u00e9t\u00e9")).encode("cp1252"))
    rows = rows_of(tmp_path, encoding="cp1252")
    assert texts(rows) == [(0, 2000, "\u00e9t\u00e9")]
    assert messages(rows) == []


def test_a_transcript_that_is_gone_meanwhile_is_a_failure(tmp_path: Path) -> None:
    write_wave(tmp_path / "a.wav", tone(2, 440))
    (tmp_path / "a.json").write_text(json.dumps([{"start": 0, "end": 1, "text": "a"}]))
    units = units_of(tmp_path, WINDOWS, transcripts="joined")
    (tmp_path / "a.json").unlink()
    (row,) = cut(units, Cutting(WINDOWS, PASSAGE, LETTERS.digest), LETTERS).to_pylist()
    assert texts([row]) == [(0, 2000, None)]
    assert "a.json: " in messages([row])[0][1]
