import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.audio.decode import decode
from embed.identity import asset_id
from embed.segmentation.cut import cut
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units
from tests.embed.sounds import LETTERS

CUTTING = Cutting(SegmentSpec(), PassageSpec(), LETTERS.digest)


def sound(seconds: float, hz: float, form: str = "FLAC") -> dict[str, Any]:
    memory = io.BytesIO()
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * 16_000)) / 16_000)
    soundfile.write(memory, wave, 16_000, format=form)
    return {"bytes": memory.getvalue(), "path": f"{hz:g}.{form.lower()}"}


def rows_of(folder: Path, **about: Any) -> list[dict[str, Any]]:
    assets = list_assets([InputSpec.parse({"url": str(folder), "name": "in", **about})])
    found: list[dict[str, Any]] = cut(plan_units(assets, CUTTING), CUTTING, LETTERS).to_pylist()
    return found


@pytest.mark.parametrize("name", ["text", "transcription", "sentence"])
def test_a_row_is_a_recording_with_its_transcript(tmp_path: Path, name: str) -> None:
    table = {
        "id": ["1", "2"],
        "audio": [sound(2, 440), sound(3.5, 880, "WAV")],
        name: ["Un.", ""],
        "lang": ["fr", None],
    }
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    first, second = rows_of(tmp_path, lang="wo", metadata={"station": "Sud"})
    assert [row["uri"] for row in (first, second)] == ["in/a.parquet#row=0", "in/a.parquet#row=1"]
    assert [row["modality"] for row in (first, second)] == ["speech"] * 2
    assert [(row["decoded_s"], row["not_speech_s"], row["lost_s"]) for row in (first, second)] == [
        (2, 0, 0),
        (3.5, 0, 0),
    ]
    assert [[(one["start"], one["end"], one["text"]) for one in row["segments"]] for row in (first, second)] == [
        [(0, 2000, "Un.")],
        [(0, 3500, None)],
    ]
    assert (first["lang"], second["lang"]) == ("fr", "wo")
    assert dict(first["metadata"]) == {"station": "Sud", "path": "440.flac", "id": "1"}
    assert decode(first["url"]).decoded_s == 2


def test_rows_in_any_order_and_across_groups(tmp_path: Path) -> None:
    table = pa.table({"audio": [sound(1 + number / 10, 440) for number in range(25)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    for row in (3, 3, 24, 4, 11, 12, 0):
        assert decode(f"{tmp_path}/a.parquet#row={row}").decoded_s == pytest.approx(1 + row / 10)


def test_a_sound_that_cannot_be_read_is_one_failure_of_its_row(tmp_path: Path) -> None:
    sounds = [sound(1, 440), {"bytes": b"noise" * 99, "path": "b.wav"}, {"bytes": None, "path": "c.wav"}, None]
    pq.write_table(pa.table({"audio": sounds, "text": ["a", "b", "c", "d"]}), tmp_path / "a.parquet")
    rows = rows_of(tmp_path)
    assert [len(row["segments"]) for row in rows] == [1, 0, 0, 0]
    assert [len(row["failures"]) for row in rows] == [0, 1, 1, 1]
    for number in (1, 2, 3):
        assert f"{tmp_path}/a.parquet#row={number}: " in rows[number]["failures"][0]["message"]
    assert "the row has no sound" in rows[2]["failures"][0]["message"]


def test_a_long_sound_is_windows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"audio": [sound(45, 440)], "text": ["Long."]}), tmp_path / "a.parquet")
    (row,) = rows_of(tmp_path)
    assert [(one["start"], one["end"]) for one in row["segments"]][:2] == [(0, 12_000), (6000, 18_000)]
    assert (row["segments"][-1]["end"], row["decoded_s"], row["not_speech_s"]) == (45_000, 45.0, 0.0)


def described(table: pa.Table, **kinds: str) -> pa.Table:
    """As `datasets` describes its columns."""
    features = {name: {"_type": kind} for name, kind in kinds.items()}
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def test_the_column_that_holds_sounds(tmp_path: Path) -> None:
    both = pa.table({"audio": [sound(1, 440)], "clip": [sound(2, 440)], "body": ["a"], "text": ["b"]})
    pq.write_table(described(both, audio="Image", clip="Audio"), tmp_path / "clip.parquet")
    pq.write_table(described(both, audio="Image", clip="Image"), tmp_path / "image.parquet")
    pq.write_table(both, tmp_path / "plain.parquet")
    found = {
        row["uri"]: (row["decoded_s"], row["segments"][0]["text"])
        for row in rows_of(tmp_path, columns={"text": "body"})
    }
    assert found == {
        "in/clip.parquet#row=0": (2.0, "a"),
        "in/image.parquet": (0.0, "a"),
        "in/plain.parquet#row=0": (1.0, "a"),
    }
    assert {row["uri"] for row in rows_of(tmp_path, modality="text")} == {
        f"in/{name}.parquet" for name in ("clip", "image", "plain")
    }


def test_a_column_of_lists_is_one_failure_of_the_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2], "text": [["a", "list"], ["of", "words"]]}), tmp_path / "list.parquet")
    (row,) = rows_of(tmp_path)
    (failure,) = row["failures"]
    assert "column 'text' holds list<" in failure["message"]
    assert "columns with plain values are 'id'; name one in the input's `columns" in failure["message"]


def test_a_table_is_forgotten_with_its_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"audio": [sound(1, 440)] * 2}), tmp_path / "a.parquet")
    inputs = [InputSpec(url=str(tmp_path), name="in")]
    assert list_assets(inputs, forgotten={asset_id("in/a.parquet")}).num_rows == 0
    assert list_assets(inputs, forgotten={asset_id("in/a.parquet#row=0")})["uri"].to_pylist() == ["in/a.parquet#row=1"]


@pytest.mark.s3
def test_sounds_of_a_table_on_s3(tmp_path: Path, s3_url: str) -> None:
    from embed.storage import store

    pq.write_table(pa.table({"audio": [sound(1, 440), sound(2, 440)]}), tmp_path / "a.parquet")
    store.write_bytes(f"{s3_url}/sounds/a.parquet", (tmp_path / "a.parquet").read_bytes())
    assets = list_assets([InputSpec(url=f"{s3_url}/sounds")])
    found = cut(plan_units(assets, CUTTING), CUTTING, LETTERS).to_pylist()
    assert [row["decoded_s"] for row in found] == [1.0, 2.0]
