import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.segmentation.cut import cut, cut_unit
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units
from embed.tables import Unit
from tests.embed.sounds import LETTERS

CUTTING = Cutting(SegmentSpec(), PassageSpec(), LETTERS.digest)
WAVE = (0.1 * np.random.default_rng(0).standard_normal(16_000 * 70)).astype(np.float32)


def planned(folder: Path, *lines: dict[str, Any], cutting: Cutting = CUTTING) -> pa.Table:
    if not (folder / "a.wav").exists():  # written again it would be another content version
        soundfile.write(folder / "a.wav", WAVE, 16_000, subtype="FLOAT")
    listed = "".join(json.dumps({"audio_filepath": "a.wav", **line}) + "\n" for line in lines)
    (folder / "list.jsonl").write_text(listed)
    return plan_units(list_assets([InputSpec(url=str(folder), name="in")]), cutting)


def rows_of(folder: Path, *lines: dict[str, Any], cutting: Cutting = CUTTING) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cut(planned(folder, *lines, cutting=cutting), cutting, LETTERS).to_pylist()
    return found


def spans(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(one["start"], one["end"]) for row in rows for one in row["segments"]]


def test_an_utterance_is_one_segment_with_its_text(tmp_path: Path) -> None:
    first, second = rows_of(
        tmp_path, {"offset": 3.5, "duration": 2, "text": "Un."}, {"offset": 10, "duration": 4, "lang": "wo"}
    )
    assert spans([first, second]) == [(3500, 5500), (10_000, 14_000)]
    assert [one["segments"][0]["text"] for one in (first, second)] == ["Un.", None]
    signal = np.frombuffer(first["signal"], np.float32)
    assert np.array_equal(signal, WAVE[3500 * 16 : 5500 * 16])
    assert (first["decoded_s"], first["not_speech_s"], first["lost_s"], first["failures"]) == (2.0, 0.0, 0.0, [])
    assert (first["planned"], second["lang"]) == (2000, "wo")


@pytest.mark.parametrize("unit_s", [10, 15, 60])
def test_a_long_one_is_windows_whatever_the_units(tmp_path: Path, unit_s: int) -> None:
    cutting = replace(CUTTING, segment=SegmentSpec(unit_s=unit_s))
    line = {"offset": 1.5, "duration": 45.25, "text": "Long."}
    rows = rows_of(tmp_path, line, cutting=cutting)
    assert len(rows) == -(-45.25 // unit_s)
    assert spans(rows)[:3] == [(1500, 13_500), (6000, 18_000), (12_000, 24_000)]
    assert spans(rows)[-1][1] == 46_750
    assert {one["text"] for row in rows for one in row["segments"]} == {"Long."}
    assert sum(row["decoded_s"] for row in rows) == 45.25
    assert all(row["decoded_s"] - row["not_speech_s"] - row["lost_s"] == row["decoded_s"] for row in rows)
    (whole,) = rows_of(tmp_path, line, cutting=CUTTING)
    assert [one["segment_id"] for row in rows for one in row["segments"]] == [
        one["segment_id"] for one in whole["segments"]
    ]


def test_a_narrower_unit_gives_what_starts_in_it(tmp_path: Path) -> None:
    unit: Unit = planned(tmp_path, {"offset": 1.5, "duration": 45}).to_pylist()[0]
    whole = cut_unit(unit, CUTTING, LETTERS)["segments"]
    halves = [cut_unit({**unit, "start": a, "end": b}, CUTTING, LETTERS) for a, b in ((1500, 20_000), (20_000, None))]
    assert [one["segment_id"] for half in halves for one in half["segments"]] == [one["segment_id"] for one in whole]
    assert [half["decoded_s"] for half in halves] == [18.5, 26.5]


def test_what_the_recording_does_not_hold_is_lost(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        {"offset": 65, "duration": 5.01},
        {"offset": 65, "duration": 10},
        {"offset": 200, "duration": 2},
        {"offset": 0, "duration": 0.1},
    )
    assert spans(rows) == [(65_000, 70_000), (65_000, 70_000)]
    assert [row["lost_s"] for row in rows] == [0.0, 5.0, 2.0, 0.1]
    assert [len(row["failures"]) for row in rows] == [0, 1, 1, 1]
    assert "too short" in rows[3]["failures"][0]["message"]
    assert all(row["decoded_s"] == pytest.approx(want) for row, want in zip(rows, (5, 10, 2, 0.1), strict=True))


def test_a_list_of_rubbish_recordings_is_all_told(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("Bonjour.\n" * 90)
    (tmp_path / "list.jsonl").write_text('{"audio_filepath": "text.wav", "offset": 5, "duration": 2}\n')
    (row,) = cut(plan_units(list_assets([InputSpec(url=str(tmp_path))]), CUTTING), CUTTING, LETTERS).to_pylist()
    assert [(one["error_class"], one["lost_s"]) for one in row["failures"]] == [("UnsupportedFormat", 2.0)]
