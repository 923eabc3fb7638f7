from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from embed.audio import ffmpeg as ffmpeg_stream
from embed.audio import mp3
from embed.audio.decode import decode, probe
from embed.audio.mp3 import Mp3Stream
from embed.audio.mp3_clock import ByteClock, CountedClock
from embed.audio.stream import Watched
from embed.encoder import FloatArray
from tests.embed.mutations import by_ffmpeg, by_soundfile

pytestmark = pytest.mark.slow  # what they read takes ten seconds to encode

RATE = 16_000
CONSTANT, VARIABLE, BROADCAST = "constant.mp3", "variable.mp3", "broadcast.mp2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three minutes of noise that is nowhere like itself, louder and softer so that bitrates vary."""
    made = tmp_path_factory.mktemp("mp3")
    (made / CONSTANT).write_bytes(by_ffmpeg(noise(), "mp3", "libmp3lame", RATE, 64_000))
    (made / VARIABLE).write_bytes(by_soundfile(noise(), "MP3", "MPEG_LAYER_III", RATE, 1))
    (made / BROADCAST).write_bytes(by_ffmpeg(noise(), "mp2", "mp2", 48_000, 128_000))
    return made


def noise(seconds: int = 180) -> FloatArray:
    rng = np.random.default_rng(0)
    loudness = np.repeat(rng.choice([0.001, 0.02, 0.2], seconds), RATE)
    wave: FloatArray = (np.convolve(rng.standard_normal(seconds * RATE), np.ones(6) / 6, "same") * loudness).astype(
        np.float32
    )
    return wave


@contextmanager
def opened(path: Path) -> Iterator[Mp3Stream]:
    with path.open("rb") as file:
        yield Mp3Stream(Watched(file), str(path))


@pytest.mark.parametrize("name", [CONSTANT, VARIABLE, BROADCAST])
def test_samples_are_those_of_ffmpegs_own_reader_from_every_place(name: str, folder: Path) -> None:
    with (folder / name).open("rb") as file, ffmpeg_stream.by_ffmpeg(Watched(file), name) as theirs:
        whole = np.concatenate([block.samples for block in theirs.blocks(0)])
        with opened(folder / name) as ours:
            assert ours.duration_s == pytest.approx(theirs.duration_s, abs=1e-4)
            assert (ours.rate, ours.channels) == (theirs.rate, theirs.channels)
            for first in (0, 1, 999_999, len(whole) - 5, len(whole) + 5):
                blocks = list(ours.blocks(first))
                assert not any(block.lost for block in blocks)
                found = np.concatenate([np.zeros(0, np.float32), *(block.samples for block in blocks)])
                np.testing.assert_allclose(found, whole[first:], atol=1e-4)  # mp2: two decoders, 3e-5 apart


def test_a_constant_bitrate_is_told_by_its_bytes_and_a_variable_one_is_counted_once(folder: Path) -> None:
    mp3._counts.clear()
    for name, kind in ((CONSTANT, ByteClock), (VARIABLE, CountedClock), (BROADCAST, ByteClock)):
        with opened(folder / name) as stream:
            assert type(stream._clock) is kind
    with opened(folder / VARIABLE) as again:
        assert again._clock is next(iter(mp3._counts.values()))


@pytest.mark.parametrize("name", [CONSTANT, VARIABLE, BROADCAST])
def test_destroyed_in_the_middle_it_is_right_again_behind(name: str, folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / name).read_bytes())
    middle, hole = len(data) // 2, len(data) // 30
    data[middle : middle + hole] = np.random.default_rng(1).bytes(hole)
    (tmp_path / name).write_bytes(data)
    whole, found = decode(str(folder / name)).samples, decode(str(tmp_path / name))
    assert found.decoded_s == pytest.approx(180, abs=0.05)
    assert 4 < sum(end - start for start, end in found.lost) < 9
    np.testing.assert_allclose(found.samples[120 * RATE :], whole[120 * RATE :], atol=1e-4)  # to the sample
    part = decode(str(tmp_path / name), 130, 140).samples
    np.testing.assert_array_equal(part, found.samples[130 * RATE : 140 * RATE])


def test_a_bitrate_that_changes_late_is_found_out(folder: Path, tmp_path: Path) -> None:
    slow = by_ffmpeg(noise(10), "mp3", "libmp3lame", RATE, 32_000)[:20_000]
    (tmp_path / "a.mp3").write_bytes((folder / CONSTANT).read_bytes() + slow)
    whole = decode(str(tmp_path / "a.mp3"))
    assert whole.decoded_s == pytest.approx(185, abs=0.5)
    assert whole.lost == []


def test_a_truncated_file_tells_what_its_header_promises(folder: Path, tmp_path: Path) -> None:
    data = (folder / CONSTANT).read_bytes()
    (tmp_path / "a.mp3").write_bytes(data[: len(data) // 3])
    assert probe(str(tmp_path / "a.mp3")).duration_s == pytest.approx(180, abs=0.1)
    assert decode(str(tmp_path / "a.mp3")).decoded_s == pytest.approx(60, abs=0.2)


def test_tags_before_and_behind_are_no_sound(folder: Path, tmp_path: Path) -> None:
    data = (folder / BROADCAST).read_bytes()
    picture = b"ID3\x04\0\0\0\0\x27\x08" + bytes(range(128)) * 39 + bytes(8)
    (tmp_path / "a.mp2").write_bytes(picture + data + b"TAG" + bytes(125))
    np.testing.assert_array_equal(
        decode(str(tmp_path / "a.mp2"), 50, 60).samples, decode(str(folder / BROADCAST), 50, 60).samples
    )
    assert probe(str(tmp_path / "a.mp2")).duration_s == probe(str(folder / BROADCAST)).duration_s
