import io
import json
import subprocess
import sys
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


# Columns of data sets of speech, next to `audio`, by the names of `datasets`' features, with a row of each.
SHAPES: dict[str, dict[str, tuple[str, Any]]] = {
    "fleurs": {
        "id": ("int32", 7), "num_samples": ("int32", 32_000), "path": ("string", "clips/7.wav"),
        "transcription": ("string", "le march\u00e9 rouvre"), "raw_transcription": ("string", "Le march\u00e9 rouvre."),
        "gender": ("label", 1), "lang_id": ("label", 0), "language": ("string", "French"),
    },
    "common_voice": {
        "client_id": ("string", "3f"), "path": ("string", "common_voice_fr_1.mp3"),
        "sentence": ("string", "Le march\u00e9 rouvre."), "up_votes": ("int64", 2), "age": ("string", ""),
        "locale": ("string", "fr"),
    },
    "mls": {
        "original_path": ("string", "http://www.archive.org/x.mp3"), "begin_time": ("float64", 1.5),
        "end_time": ("float64", 3.5), "transcript": ("string", "le march\u00e9 rouvre"), "speaker_id": ("string", "10"),
        "file": ("string", "10_x_0.flac"), "id": ("string", "10_x_0"),
    },
    "kallaama": {
        "text": ("string", "marse bi ubbeeku na"), "speaker": ("string", "S1"), "lang": ("string", "wo"),
        "topic": ("string", "mbay"), "valid": ("bool", True),
    },
}  # fmt: skip
TEXTS = {"fleurs": "le march\u00e9 rouvre", "common_voice": "Le march\u00e9 rouvre.", "mls": "le march\u00e9 rouvre",
         "kallaama": "marse bi ubbeeku na"}  # fmt: skip
LANGS = {"fleurs": "French", "common_voice": None, "mls": None, "kallaama": "wo"}


def write_shape(path: Path, shape: str, sounds: list[dict[str, Any]]) -> None:
    """A shard as `datasets` writes it; its own encoder of sounds would need torchcodec."""
    datasets = pytest.importorskip("datasets", reason="Hugging Face's datasets")
    kinds = {name: kind for name, (kind, _) in SHAPES[shape].items()}
    features = {
        name: datasets.ClassLabel(names=["a", "b"]) if kind == "label" else datasets.Value(kind)
        for name, kind in kinds.items()
    }
    record = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    values = {name: [value] * len(sounds) for name, (_, value) in SHAPES[shape].items()}
    whole = datasets.Dataset.from_dict(
        {"audio": sounds, **values}, features=datasets.Features({"audio": record, **features})
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.cast_column("audio", datasets.Audio(sampling_rate=16_000, decode=False)).to_parquet(path)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_data_sets_of_speech_as_hugging_face_has_them(tmp_path: Path, shape: str) -> None:
    """A tree of shards with its card: no setting is needed, and every other column is metadata."""
    for number in range(2):
        name = f"data/train-{number:05}-of-00002.parquet"
        write_shape(tmp_path / name, shape, [sound(1 + number, 440), sound(2, 440, "WAV")])
    (tmp_path / "README.md").write_text("---\nlanguage: fr\n---\n# A data set\n")
    rows = rows_of(tmp_path)
    assert [(row["uri"].partition("#")[2], row["decoded_s"], len(row["segments"])) for row in rows] == [
        ("row=0", 1, 1), ("row=1", 2, 1), ("row=0", 2, 1), ("row=1", 2, 1)
    ]  # fmt: skip
    assert {(row["text"], row["lang"]) for row in rows} == {(TEXTS[shape], LANGS[shape])}
    about = dict(rows[0]["metadata"])
    others = {
        name: value for name, (_, value) in SHAPES[shape].items() if name not in ("language", "lang") and value != ""
    }
    spoken = next(name for name in ("text", "transcription", "sentence", "transcript") if name in others)
    expected = {name: value if isinstance(value, str) else json.dumps(value) for name, value in others.items()}
    assert about == {"path": "440.flac", **{name: text for name, text in expected.items() if name != spoken}}


def test_the_input_names_the_columns(tmp_path: Path) -> None:
    record = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {
        "audio": pa.array([sound(1, 440)] * 2, record),
        "clip": pa.array([sound(2, 440), sound(3, 440)], record),
        "raw": pa.array([sound(4, 440)["bytes"]] * 2, pa.binary()),
        "wave": pa.array([[0.5], [0.5]]),
        "key": pa.array(["a", "b"]),
        "words": pa.array([{"fr": "Un.", "wo": "Benn."}, {"fr": "Deux.", "wo": None}]),
        "locale": pa.array(["fr", "wo"]),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    mapping = {"audio": "clip", "text": "words.fr", "id": "key", "lang": "locale"}
    first, second = rows_of(tmp_path, columns=mapping)
    assert [(row["uri"], row["decoded_s"], row["text"], row["lang"]) for row in (first, second)] == [
        ("in/a.parquet#row=0", 2, "Un.", "fr"),
        ("in/a.parquet#row=1", 3, "Deux.", "wo"),
    ]
    assert dict(first["metadata"]) == {"path": "440.flac", "id": "a", "key": "a"}
    assert [row["decoded_s"] for row in rows_of(tmp_path, columns={"audio": "raw"})] == [4, 4]
    assert [row["digest"] is None for row in (first, second)] == [False, True]  # one of each table
    for wrong, reason in (
        ({"audio": "sound"}, "no column 'sound' for audio; the columns are 'audio', 'clip', 'raw'"),
        ({"audio": "clip", "text": "sentence"}, "no column 'sentence' for text; the columns are"),
        ({"audio": "wave"}, "column 'wave' holds list<element: double>, which is no sound"),
        ({"audio": "key"}, "column 'key' holds string, which is no sound"),
    ):
        (row,) = rows_of(tmp_path, columns=wrong)
        ((failure,),) = (row["failures"],)
        assert (row["uri"], failure["stage"]) == ("in/a.parquet", "probe")
        assert reason in failure["message"]


@pytest.mark.parametrize("is_typed", [True, False])
def test_a_table_of_paths_alone_names_the_files_next_to_it(tmp_path: Path, is_typed: bool) -> None:
    (tmp_path / "in" / "clips").mkdir(parents=True)
    for name in ("in/clips/a.flac", "in/clips/other.flac", "in/clips/left-out.flac", "outside.flac"):
        (tmp_path / name).write_bytes(sound(2, 440)["bytes"])
    paths = ["clips/a.flac", "clips/none.flac", str(tmp_path / "outside.flac"), None, "clips/left-out.flac"]
    record = pa.struct([("bytes", pa.binary() if is_typed else pa.null()), ("path", pa.string())])
    audio = pa.array([{"bytes": None, "path": path} for path in paths], record)
    texts = ["a", "b", "c", "d", "e"]
    pq.write_table(pa.table({"audio": audio, "text": texts}), tmp_path / "in" / "a.parquet", row_group_size=2)
    rows = rows_of(tmp_path / "in", exclude=["left-out.flac"])
    found = {row["uri"]: (row["decoded_s"], [one["text"] for one in row["segments"]]) for row in rows}
    assert found == {
        "in/a.parquet#row=0": (2, ["a"]),
        **{f"in/a.parquet#row={number}": (0, []) for number in (1, 2, 3)},
        "in/clips/other.flac": (2, [None] * len(found["in/clips/other.flac"][1])),
    }
    messages = {row["uri"][-1]: row["failures"][0]["message"] for row in rows if row["failures"]}
    assert "clips/none.flac: no such file" in messages["1"]
    assert "outside of the input, and not read; row 2 of" in messages["2"]
    assert "the row has no sound" in messages["3"]
    outside = rows_of(tmp_path / "in", follow="outside")
    assert [row["decoded_s"] for row in outside if row["uri"].endswith("row=2")] == [2]


SHARD = """
import io, resource, sys
from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.audio.decode import decode
assets = list_assets([InputSpec(url=sys.argv[1], name="in")])
middle = assets["url"][assets.num_rows // 2].as_py()
assert decode(middle).decoded_s == 10
print(assets.num_rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.campaign
def test_a_shard_of_any_size_takes_the_same_memory(tmp_path: Path) -> None:
    """Peak of listing and of a sound in the middle, in a process of its own; row groups of 32 MB as in real shards."""
    wave = np.random.default_rng(0).standard_normal(160_000) * 0.1
    memory = io.BytesIO()
    soundfile.write(memory, wave, 16_000, format="WAV")
    group = pa.table({"audio": [{"bytes": memory.getvalue(), "path": "a.wav"}] * 100, "text": ["a"] * 100})
    peaks = {}
    for num in (2, 20):
        with pq.ParquetWriter(tmp_path / "a.parquet", group.schema, use_dictionary=False) as writer:
            for _ in range(num):
                writer.write_table(group)
        done = subprocess.run([sys.executable, "-c", SHARD, str(tmp_path)], capture_output=True, text=True, check=True)
        rows, peaks[num] = map(int, done.stdout.split())
        assert rows == 100 * num
    assert peaks[20] < peaks[2] + 40, peaks


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
