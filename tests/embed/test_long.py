"""Long and damaged recordings through manifest, units and cutting: what is read, what is salvaged, what is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import soundfile

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.audio import decode as audio
from embed.encoder import FloatArray
from embed.segmentation.cut import cut_unit
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units
from embed.storage import store
from embed.tables import CutUnit
from evaluate.bench.embed.long_recordings import KINDS, write_long
from tests.embed.mutations import by_ffmpeg, by_soundfile
from tests.embed.test_fuzz import NoWords, wrongs

Voice = Callable[[float, int], FloatArray]
RATE = 16_000
READ_AHEAD_MB = 4  # what storage may fetch beyond what is asked for, over all seeks of a unit


def cuts_of(path: Path, **segment: Any) -> list[CutUnit]:
    cutting = Cutting(SegmentSpec(**segment), PassageSpec(), NoWords.digest)
    units = plan_units(list_assets([InputSpec(url=str(path), name="in")]), cutting).to_pylist()
    return [cut_unit(unit, cutting, NoWords()) for unit in units]


@pytest.fixture(scope="module")
def speech(voice: Voice) -> FloatArray:
    """A minute and a half: speech for five seconds of every ten."""
    hush = np.zeros(5 * RATE, np.float32)
    return np.concatenate([part for number in range(9) for part in (voice(5, number), hush)])


MAKERS: dict[str, Callable[[FloatArray], bytes]] = {
    "flac": lambda wave: by_soundfile(wave, "FLAC", "PCM_16", RATE, 1),
    "ogg": lambda wave: by_soundfile(wave, "OGG", "VORBIS", RATE, 1),
    "opus": lambda wave: by_soundfile(wave, "OGG", "OPUS", 48_000, 1),
    "constant.mp3": lambda wave: by_ffmpeg(wave, "mp3", "libmp3lame", RATE, 64_000),
    "variable.mp3": lambda wave: by_soundfile(wave, "MP3", "MPEG_LAYER_III", RATE, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_what_lies_behind_a_destroyed_middle_is_salvaged_in_its_place(
    kind: str, speech: FloatArray, tmp_path: Path
) -> None:
    data = MAKERS[kind](speech)
    (tmp_path / f"whole.{kind}").write_bytes(data)
    middle, hole = len(data) // 2, len(data) // 12
    data = data[:middle] + np.random.default_rng(0).bytes(hole) + data[middle + hole :]
    (tmp_path / f"holed.{kind}").write_bytes(data)
    whole, holed = (cuts_of(tmp_path / f"{name}.{kind}", mode="vad", unit_s=30) for name in ("whole", "holed"))
    assert not any(row["failures"] for row in whole)
    assert [problem for row in holed for problem in wrongs(row, f"holed.{kind}")] == []
    (message,) = {one["message"].split(": ", 1)[1] for row in holed for one in row["failures"]} or {""}
    assert "could not be decoded" in message
    assert 3 < sum(row["lost_s"] for row in holed) < 15
    behind = [
        [one["start"] for row in rows for one in row["segments"] if one["start"] > 60_000] for rows in (whole, holed)
    ]
    assert len(behind[0]) >= 3
    np.testing.assert_allclose(behind[1], behind[0], atol=100)


@pytest.mark.slow
def test_a_wav_cut_short_loses_what_its_header_promises(speech: FloatArray, tmp_path: Path) -> None:
    data = by_soundfile(speech, "WAV", "PCM_16", RATE, 1)
    (tmp_path / "a.wav").write_bytes(data[: len(data) * 2 // 3])
    rows = cuts_of(tmp_path / "a.wav", unit_s=30)
    assert [row["decoded_s"] for row in rows] == [30, 30, 30]
    assert [round(row["lost_s"], 1) for row in rows] == [0, 0, 30]
    assert "30.000 s of its stated length are missing" in rows[2]["failures"][0]["message"].replace("015", "000")


def test_what_goes_on_far_beyond_its_header_is_measured_and_told_and_not_kept(tmp_path: Path) -> None:
    """A flac whose header states one second of its forty."""
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, 40 * RATE), RATE)
    found = audio.decode(str(path), most_s=15)
    assert (found.decoded_s, found.end_s, found.beyond) == (10, 40, True)
    assert found.lost == [(10, 40)]
    assert not audio.decode(str(path), most_s=40).beyond


@pytest.mark.slow
def test_a_chain_of_oggs_is_one_recording(speech: FloatArray, tmp_path: Path) -> None:
    links = [MAKERS["ogg"](speech[: seconds * RATE]) for seconds in (20, 35)]
    (tmp_path / "a.ogg").write_bytes(b"".join(links))
    assert audio.probe(str(tmp_path / "a.ogg")).duration_s == pytest.approx(55, abs=0.05)
    whole = audio.decode(str(tmp_path / "a.ogg"))
    assert whole.decoded_s == pytest.approx(55, abs=0.05)
    part = audio.decode(str(tmp_path / "a.ogg"), 30, 40).samples
    np.testing.assert_array_equal(part, whole.samples[30 * RATE : 40 * RATE])


@pytest.mark.s3
@pytest.mark.parametrize("kind", KINDS)
def test_a_late_hour_is_read_without_the_hours_before(
    kind: str, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that left the bucket; a variable mp3 is counted once a process, by reading it through."""
    path = tmp_path / f"late.{kind}"
    write_long(path, kind, 180)
    url = store.join(s3_url, path.name)
    store.write_bytes(url, path.read_bytes())
    whole_mb = path.stat().st_size / 1e6
    read = _read_mb(monkeypatch)
    if kind == "variable.mp3":
        audio.decode(url, 10, 20)
        assert read() < 1.2 * whole_mb + READ_AHEAD_MB
    assert audio.probe(url).duration_s == pytest.approx(180 * 60, rel=0.002)
    assert read() < READ_AHEAD_MB
    late = audio.decode(url, 170 * 60, 171 * 60)
    assert read() < whole_mb / 180 + READ_AHEAD_MB
    np.testing.assert_array_equal(late.samples, audio.decode(str(path), 169 * 60, 171 * 60).samples[60 * RATE :])


def _read_mb(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """Megabytes read through `embed.storage.store` since the last call."""
    sizes: list[int] = []
    opened = store.open_input

    class Counted:
        def __init__(self, file: BinaryIO) -> None:
            self.file = file
            self.seek, self.tell = file.seek, file.tell

        def read(self, size: int = -1) -> bytes:
            data = self.file.read(size)
            sizes.append(len(data))
            return data

        def __enter__(self) -> "Counted":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

    monkeypatch.setattr(store, "open_input", lambda url: Counted(opened(url)))

    def taken() -> float:
        total = sum(sizes) / 1e6
        sizes.clear()
        return total

    return taken
