"""Which sound track is decoded, in containers of several; each track is a tone of its own."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.audio.decode import decode, probe
from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError, UnsupportedFormat
from embed.storage import store
from tests.embed.films import Track, film
from tests.embed.sounds import tone

LOW, HIGH = tone(4, 300), tone(4, 800)
SILENT = np.zeros_like(LOW)


def tones_in(samples: FloatArray) -> list[int]:
    """Hz of the tones that are audible, in steps of 100."""
    power = np.abs(np.fft.rfft(samples[SAMPLE_RATE // 2 :][:SAMPLE_RATE])) / SAMPLE_RATE
    return [hz for hz in range(100, 1000, 100) if power[hz] > 0.01]


def default_second(path: Path) -> None:
    film(path, Track(LOW, "libopus"), Track(HIGH, "libopus", default=True))


def silent_first(path: Path) -> None:
    film(path, Track(SILENT, "pcm_s16le"), Track(HIGH, "pcm_s16le"), picture="mpeg2video", picture_s=4)


def silent_default(path: Path) -> None:
    film(path, Track(LOW, "aac"), Track(SILENT, "aac", default=True), picture="mpeg4", picture_s=4)


def languages(path: Path) -> None:
    film(path, Track(LOW, "aac", lang="fra"), Track(HIGH, "aac", lang="eng"))


def channels_of_one(path: Path) -> None:
    sound = (Track(wave, "pcm_s16le") for wave in (LOW, HIGH, SILENT, SILENT))
    film(path, *sound, picture="mpeg2video", picture_s=4)


def quiet_at_first(path: Path) -> None:
    """A default track that is silent but for its last half second."""
    late = np.concatenate([SILENT[: -SAMPLE_RATE // 2], LOW[-SAMPLE_RATE // 2 :]])
    film(path, Track(HIGH, "aac"), Track(late, "aac", default=True))


def unknown_codec_first(path: Path) -> None:
    film(path, Track(LOW, "libopus", default=True), Track(HIGH, "libopus"))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"A_OPUS", b"A_XXXX", 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make", "tracks", "tones"),
    [
        ("a.mkv", default_second, [1], [800]),
        ("a.mxf", silent_first, [1], [800]),
        ("a.ts", lambda path: film(path, Track(SILENT, "mp2"), Track(HIGH, "mp2")), [1], [800]),
        ("a.mkv", silent_default, [0], [300]),
        ("a.mp4", languages, [0], [300]),
        ("a.mxf", channels_of_one, [0, 1], [300, 800]),
        ("a.mov", channels_of_one, [0, 1], [300, 800]),
        ("a.mkv", quiet_at_first, [1], []),
        ("a.mkv", unknown_codec_first, [1], [800]),
        ("a.mkv", lambda path: film(path, Track(SILENT, "aac"), Track(SILENT, "aac")), [0], []),
        ("a.mka", lambda path: film(path, Track(LOW, "aac")), None, [300]),
    ],
)
def test_the_track_that_players_take_and_that_has_sound(
    name: str, make: Callable[[Path], Any], tracks: list[int] | None, tones: list[int], tmp_path: Path
) -> None:
    make(tmp_path / name)
    url = str(tmp_path / name)
    info, decoded = probe(url), decode(url)
    assert info.tracks == tracks
    assert tones_in(decoded.samples) == tones
    assert decoded.decoded_s == pytest.approx(4, abs=0.1)
    assert decoded.lost == []
    part = decode(url, 1.5, tracks=tracks)
    assert tones_in(part.samples) == tones
    np.testing.assert_allclose(part.samples[8000:], decoded.samples[2 * SAMPLE_RATE :], atol=0.02)


def test_a_track_may_be_named(tmp_path: Path) -> None:
    default_second(tmp_path / "a.mkv")
    url = str(tmp_path / "a.mkv")
    assert probe(url, [0]).tracks == [0]
    assert tones_in(decode(url, tracks=[0]).samples) == [300]
    with pytest.raises(InputError, match=r"a.mkv: there is no track 2: .* has 2 sound tracks.*correct `track`"):
        probe(url, [2])
    film(tmp_path / "a.flac", Track(LOW, "flac"))
    assert probe(str(tmp_path / "a.flac"), [0]).duration_s == 4
    with pytest.raises(InputError, match="there is no track 1: the recording has one sound track"):
        decode(str(tmp_path / "a.flac"), tracks=[1])
    unknown_codec_first(tmp_path / "b.mkv")
    with pytest.raises(UnsupportedFormat, match=r"b.mkv: .* without a readable audio stream in track 0"):
        decode(str(tmp_path / "b.mkv"), tracks=[0])


def test_a_channel_may_be_inverted_or_end_early(tmp_path: Path) -> None:
    sound = Track(LOW, "pcm_s16le"), Track(-LOW, "pcm_s16le"), Track(HIGH[: 2 * SAMPLE_RATE], "pcm_s16le")
    film(tmp_path / "a.mov", *sound, picture="mpeg4", picture_s=4)
    decoded = decode(str(tmp_path / "a.mov"))
    assert decoded.decoded_s == pytest.approx(4, abs=0.01)
    assert tones_in(decoded.samples) == [300, 800]
    assert tones_in(decoded.samples[2 * SAMPLE_RATE :]) == [300]


def test_a_storage_error_chooses_no_other_track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet_at_first(tmp_path / "a.mkv")
    data = (tmp_path / "a.mkv").read_bytes()

    class Breaks(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > len(data) // 2:
                raise ConnectionResetError("the bucket is gone")
            return super().read(size)

    monkeypatch.setattr(store, "open_input", lambda url: Breaks(data))
    with pytest.raises(ConnectionResetError):
        decode("a.mkv", end_s=0.5)
