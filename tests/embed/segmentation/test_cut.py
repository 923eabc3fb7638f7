import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from embed import tables
from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.encoder import FloatArray
from embed.errors import InputError
from embed.segmentation.cut import cut
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units
from tests.embed.sounds import LETTERS

Voice = Callable[[float, int], FloatArray]


def cuts_of(folder: Path, passage: PassageSpec | None = None, **segment: Any) -> pa.Table:
    cutting = Cutting(SegmentSpec(**segment), passage or PassageSpec(), LETTERS.digest)
    return cut(plan_units(list_assets([InputSpec(url=str(folder), name="in")]), cutting), cutting, LETTERS)


def balance(row: dict[str, Any]) -> float:
    return float(row["decoded_s"] - row["not_speech_s"] - row["lost_s"])


@pytest.fixture(scope="module")
def bulletin(tmp_path_factory: pytest.TempPathFactory, voice: Voice) -> Path:
    """Speech of all lengths between pauses of all lengths, four minutes at 22 kHz."""
    rng = np.random.default_rng(0)
    pieces = []
    for number, seconds in enumerate([0.2, 3, 8, 1, 35, 2, 5, 28, 1, 4, 12, 60]):
        hush = 0.001 * rng.standard_normal(int(16_000 * rng.choice([0.1, 0.5, 2, 9])))
        pieces += [voice(seconds, number), hush.astype(np.float32)]
    folder = tmp_path_factory.mktemp("bulletin")
    soundfile.write(folder / "a.flac", np.concatenate(pieces), 22_050)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["vad", "windows", "hybrid"])
def test_units_of_60_s_90_s_and_all_give_the_same_segments(bulletin: Path, mode: str) -> None:
    found = []
    for unit_s in (60, 90, 100_000):
        rows = cuts_of(bulletin, mode=mode, unit_s=unit_s).to_pylist()
        parts = [(one["segment_id"], one["start"], one["end"]) for row in rows for one in row["segments"]]
        waves = [
            np.frombuffer(row["signal"], np.float32)[one["offset"] :][: one["length"]]
            for row in rows
            for one in row["segments"]
        ]
        totals = [sum(row[name] for row in rows) for name in ("decoded_s", "not_speech_s", "lost_s")]
        found.append((parts, waves, totals))
        assert [len(wave) for wave in waves] == [16 * (end - start) for _, start, end in parts]
    (parts, waves, totals), *others = found
    assert len(parts) > 15
    assert len({name for name, _, _ in parts}) == len(parts)
    for other_parts, other_waves, other_totals in others:
        assert other_parts == parts
        assert all(np.array_equal(one, other) for one, other in zip(waves, other_waves, strict=True))
        assert other_totals == pytest.approx(totals)


def test_a_signal_is_the_recording_at_that_place(tmp_path: Path) -> None:
    wave = np.linspace(-0.5, 0.5, 16_000 * 40).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    rows = cuts_of(tmp_path, mode="windows", unit_s=20).to_pylist()
    assert [[one["start"] for one in row["segments"]] for row in rows] == [[0, 6000, 12_000, 18_000], [24_000, 30_000]]
    for row in rows:
        signal = np.frombuffer(row["signal"], np.float32)
        for one in row["segments"]:
            part = signal[one["offset"] : one["offset"] + one["length"]]
            assert np.array_equal(part, wave[one["start"] * 16 : one["end"] * 16])
    assert [row["decoded_s"] for row in rows] == [20, 20]
    assert [balance(row) for row in rows] == [20, 20]


def test_four_bad_files_are_four_failures_with_file_stage_and_reason(tmp_path: Path) -> None:
    (tmp_path / "corrupt.wav").write_bytes(np.random.default_rng(0).bytes(50_000))
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("Bonjour, ceci est un texte.\n" * 50)
    soundfile.write(tmp_path / "one.wav", np.ones(1, np.float32), 16_000)
    cuts = cuts_of(tmp_path)
    assert cuts.schema == tables.CUTS
    failures = [one for row in cuts.to_pylist() for one in row["failures"]]
    told = {one["uri"]: (one["stage"], one["error_class"]) for one in failures}
    assert told == {
        "in/corrupt.wav": ("probe", "UnsupportedFormat"),
        "in/empty.wav": ("probe", "InputError"),
        "in/one.wav": ("segment", "InputError"),
        "in/text.wav": ("probe", "UnsupportedFormat"),
    }
    assert len(failures) == 4
    assert all(one["uri"].removeprefix("in/") in one["message"] and one["attempts"] == 1 for one in failures)
    assert "too short" in next(one["message"] for one in failures if one["uri"] == "in/one.wav")
    assert all(row["segments"] == [] and balance(row) == 0 for row in cuts.to_pylist())


def test_a_machine_without_room_is_no_fault_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the input whose cause is the machine is raised, so that another machine takes the unit."""
    (tmp_path / "news.txt").write_text("rain")

    def full(*_: Any) -> None:
        raise InputError("news.txt: cannot be read") from OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr("embed.segmentation.cut.cut_text", full)
    with pytest.raises(InputError, match="cannot be read"):
        cuts_of(tmp_path)


@pytest.mark.slow
def test_a_recording_that_ends_early_loses_what_its_header_promised(tmp_path: Path) -> None:
    wave = (0.1 * np.random.default_rng(0).standard_normal(16_000 * 100)).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", wave, 16_000)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    rows = cuts_of(tmp_path, mode="windows", unit_s=30).to_pylist()
    assert [row["decoded_s"] for row in rows] == [30, 30, 30, 10]
    assert [round(row["lost_s"]) for row in rows] == [0, 10, 30, 10]
    assert [len(row["failures"]) for row in rows] == [0, 1, 1, 1]
    assert rows[2]["failures"][0]["stage"] == "decode"
    assert "stated length are missing" in rows[2]["failures"][0]["message"]
    assert sum(balance(row) for row in rows) == pytest.approx(50, abs=0.5)


def test_lost_samples_are_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    wave = (0.1 * np.random.default_rng(0).standard_normal(16_000 * 30)).astype(np.float32)
    wave[16_000:32_000] = np.nan
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    (row,) = cuts_of(tmp_path, mode="windows").to_pylist()
    assert (row["decoded_s"], row["lost_s"], balance(row)) == (30.0, 1.0, 29.0)
    assert [one["lost_s"] for one in row["failures"]] == [1.0]
    assert np.isfinite(np.frombuffer(row["signal"], np.float32)).all()


def test_silence_has_no_segments_and_is_no_failure(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000 * 30, np.float32), 16_000)
    (row,) = cuts_of(tmp_path).to_pylist()
    assert (row["segments"], row["failures"], row["not_speech_s"]) == ([], [], 30.0)
    assert row["reason"] == "no speech in 30.0 s: silent (zeros)"


def test_a_unit_without_segments_says_why(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 16_000 * 5).astype(np.float32)
    for name, loudness in {"tape.wav": 1e-4, "rain.wav": 0.1}.items():
        soundfile.write(tmp_path / name, loudness * noise, 16_000)
    (tmp_path / "blank.txt").write_text("\n \n")
    rows = cuts_of(tmp_path, mode="vad").to_pylist()
    assert {row["uri"]: row["reason"] for row in rows} == {
        "in/blank.txt": "no text in it",
        "in/rain.wav": "no speech in 5.0 s: sound without speech (peak -20 dB)",
        "in/tape.wav": "no speech in 5.0 s: silent (peak -78 dB)",
    }
    soundfile.write(tmp_path / "talk.wav", np.tile(noise, 3)[: 16_000 * 12], 16_000)
    long = cuts_of(tmp_path / "talk.wav", mode="windows", unit_s=10).to_pylist()
    assert [row["reason"] for row in long] == [None, "its 2.0 s of speech belong to segments that begin before it"]


def test_passages_and_broken_lines_of_a_corpus(tmp_path: Path) -> None:
    lines = [b'{"_id": "a", "text": "Bien."}', b"{broken", b'{"_id": "b", "text": "Fin."}']
    (tmp_path / "corpus.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "note.txt").write_text("Bonjour.\n\nAu revoir.")
    small, large = (cuts_of(tmp_path, PassageSpec(unit_bytes=size)).to_pylist() for size in (10, 1000))
    parts = [
        [(one["segment_id"], one["item"], one["text"]) for row in rows for one in row["segments"]]
        for rows in (small, large)
    ]
    assert parts[0] == parts[1]
    assert [text for _, _, text in parts[1]] == ["Bien.", "Fin.", "Bonjour.", "Au revoir."]
    (failure,) = (one for row in large for one in row["failures"])
    assert (failure["uri"], failure["stage"], failure["start"]) == ("in/corpus.jsonl", "segment", len(lines[0]) + 1)
    assert large[0]["signal"] is None


def test_a_file_that_cannot_be_read_any_more_is_the_failure_of_its_units(tmp_path: Path, voice: Voice) -> None:
    """Listed and probed well, then spoilt: only its own units fail, with the reason."""
    soundfile.write(tmp_path / "sound.wav", voice(2.0, 0), 16_000)
    (tmp_path / "good.txt").write_text("The market opens at six.\n")
    spoilt = ("sound.wav", "gone.txt", "loop.txt", "folder.txt", "pipe.txt", "disk.txt", "rows.csv", "lines.jsonl")
    for name in spoilt[1:]:
        (tmp_path / name).write_text('text\n{"text": "a"}\n' if name == "rows.csv" else '{"text": "a"}\n')
    cutting = Cutting(SegmentSpec(), PassageSpec(), LETTERS.digest)
    assets = list_assets([InputSpec(url=str(tmp_path), name="in")])
    assert assets["problem"].null_count == assets.num_rows == 9
    for name in spoilt:
        (tmp_path / name).unlink()
    (tmp_path / "folder.txt").mkdir()
    os.mkfifo(tmp_path / "pipe.txt")
    for name in ("sound.wav", "loop.txt", "rows.csv", "lines.jsonl"):
        (tmp_path / name).symlink_to(name)
    (tmp_path / "disk.txt").symlink_to("/proc/self/mem")
    rows = {row["uri"]: row for row in cut(plan_units(assets, cutting), cutting, LETTERS).to_pylist()}
    assert [one["text"] for one in rows.pop("in/good.txt")["segments"]] == ["The market opens at six."]
    reasons = {uri: [one["message"] for one in row["failures"]] for uri, row in rows.items()}
    for name in spoilt:
        (reason,) = reasons[f"in/{name}"]
        assert reason.startswith(f"{tmp_path}/{name}: ")
    assert "no such file" in reasons["in/gone.txt"][0]
    assert "a folder, and no file" in reasons["in/folder.txt"][0]
    assert "a pipe, and no file" in reasons["in/pipe.txt"][0]
    assert "input/output error" in reasons["in/disk.txt"][0]
    assert all(
        "a link leads to itself" in reasons[f"in/{name}"][0] for name in ("sound.wav", "rows.csv", "lines.jsonl")
    )


def test_what_is_outside_of_the_input_is_a_failure_that_nobody_opens(tmp_path: Path, voice: Voice) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.wav", "far.wav"):
        soundfile.write(tmp_path / name, voice(2.0, 0), 16_000)
    (tmp_path / "in/notes.txt").symlink_to("/etc/passwd")
    names = ["a.wav", "../far.wav"]
    lines = (json.dumps({"audio_filepath": name, "offset": 0.5, "duration": 1}) + "\n" for name in names)
    (tmp_path / "in/list.jsonl").write_text("".join(lines))
    (tmp_path / "in/metadata.csv").write_text("file_name,by\n../far.wav,Awa\n")  # it is there, and a recording
    rows = {row["uri"]: row for row in cuts_of(tmp_path / "in").to_pylist()}
    assert len(rows.pop("in/a.wav#t=0.5,1.5")["segments"]) == 1
    far = f"in{tmp_path}/far.wav"
    assert set(rows) == {"in/notes.txt", far, f"{far}#t=0.5,1.5"}
    for uri, row in rows.items():
        (failure,) = row["failures"]
        assert (failure["stage"], failure["error_class"], row["segments"]) == ("probe", "OutsideInput", [])
        assert balance(row) == 0
        assert row["lost_s"] == (1.0 if "#t=" in uri else 0.0)


def test_a_feed_that_could_not_be_read_is_one_failure_and_its_items_are_cut(tmp_path: Path, voice: Voice) -> None:
    soundfile.write(tmp_path / "a.ogg", voice(2.0, 0), 16_000)
    enclosure = "<item><guid>one</guid><enclosure url='a.ogg' type='audio/ogg'/></item>"
    (tmp_path / "feed.rss").write_text(f"<rss><channel>{enclosure}")
    rows = {row["uri"]: row for row in cuts_of(tmp_path).to_pylist()}
    (failure,) = rows["in/feed.rss"]["failures"]
    assert (failure["stage"], failure["error_class"]) == ("probe", "InputError")
    assert "items may be missing" in failure["message"]
    assert balance(rows["in/feed.rss"]) == 0
    assert rows["in/feed.rss#guid=one"]["segments"]
