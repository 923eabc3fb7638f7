from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from embed.audio import mp3 as mp3_stream
from embed.audio.chain import Chain
from embed.audio.decode import decode, probe
from embed.audio.mp3 import Mp3Stream, by_frames
from embed.audio.stream import Block, Watched
from embed.errors import UnsupportedFormat
from tests.embed.mutations import by_ffmpeg, by_soundfile

RATE = 16_000
LEVELS = (0.3, 0.05, 0.2, 0.1, 0.02, 0.3, 0.1, 0.05, 0.2, 0.02, 0.1)  # of each second
WAVE = (np.random.default_rng(0).uniform(-1, 1, (len(LEVELS), RATE)) * np.array(LEVELS)[:, None]).astype(np.float32)
TAG = b"ID3\x03\0\0\0\x03\x06\x50" + bytes(range(250)) * 200  # 50,000 bytes, as of a picture


@cache
def mp3(rate: int) -> bytes:
    return by_ffmpeg(WAVE.ravel(), "mp3", "libmp3lame", rate, 48_000)


@cache
def stereo_mp3(rate: int) -> bytes:
    return by_soundfile(WAVE.ravel(), "MP3", "MPEG_LAYER_III", rate, 2)


def flac(rate: int, channels: int = 1) -> bytes:
    return by_soundfile(WAVE.ravel(), "FLAC", "PCM_16", rate, channels)


def wav(rate: int, channels: int = 1) -> bytes:
    return by_soundfile(WAVE.ravel(), "WAV", "PCM_16", rate, channels)


# Seconds as ffmpeg 5.1 decodes them, an encoder's delay inside included; of flac and wav, which it does not read to the
# end, the sum of its seconds of each file.
CHAINS: dict[str, tuple[float, Callable[[], list[bytes]]]] = {
    "mp3, rates": (22.09, lambda: [mp3(44_100), mp3(22_050)]),
    "mp3, one to two channels": (22.10, lambda: [mp3(44_100), stereo_mp3(44_100)]),
    "mp3, two to one": (22.11, lambda: [stereo_mp3(16_000), mp3(16_000)]),
    "mp3, there and back": (33.20, lambda: [mp3(48_000), stereo_mp3(16_000), mp3(48_000)]),
    "mp3, tags between": (33.12, lambda: [mp3(44_100), TAG, mp3(44_100), b"TAG" + bytes(125), TAG, mp3(32_000)]),
    "mp2 and mp3": (22.06, lambda: [by_ffmpeg(WAVE.ravel(), "mp2", "mp2", 48_000, 64_000), mp3(48_000)]),
    "flac": (22.0, lambda: [flac(16_000), flac(16_000)]),
    "flac, rates and channels": (22.0, lambda: [flac(22_050), flac(44_100, 2)]),
    "wav, rates and channels": (33.0, lambda: [wav(16_000), wav(44_100, 2), wav(8_000)]),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHAINS)
def test_all_sound_of_a_chain_is_decoded_in_its_place(kind: str, tmp_path: Path) -> None:
    seconds, make = CHAINS[kind]
    path = tmp_path / "a"
    path.write_bytes(b"".join(make()))
    whole = decode(str(path))
    assert whole.decoded_s == pytest.approx(seconds, abs=0.1)
    assert probe(str(path)).duration_s == pytest.approx(whole.decoded_s, abs=1e-3)
    assert whole.lost == []
    for start in (9.5, 19):
        part = decode(str(path), start, start + 5).samples
        np.testing.assert_array_equal(part, whole.samples[int(start * RATE) :][: len(part)])
    loudness = [
        np.abs(whole.samples[second * RATE :][RATE // 4 : -RATE // 4][: RATE // 2]).mean() for second in range(22)
    ]
    # Noise loses its highest tones at low rates; each second keeps its place.
    assert np.corrcoef(np.log(loudness), np.log(LEVELS * 2))[0, 1] > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mp3, rates", "mp3, tags between"])
def test_a_large_file_is_known_to_be_a_chain_by_some_places(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mp3_stream, "_SMALL_BYTES", 10_000)
    monkeypatch.setattr(mp3_stream, "_SMALL_TAGS_BYTES", 10_000)
    seconds, make = CHAINS[kind]
    (tmp_path / "large").write_bytes(b"".join(make()))
    assert probe(str(tmp_path / "large")).duration_s == pytest.approx(seconds, abs=0.1)
    assert decode(str(tmp_path / "large"), 9).decoded_s == pytest.approx(seconds - 9, abs=0.1)
    (tmp_path / "one").write_bytes(mp3(44_100))
    with (tmp_path / "one").open("rb") as file:
        assert isinstance(by_frames(Watched(file), "one"), Mp3Stream)


def test_a_part_that_no_reader_knows_is_lost_and_the_others_are_not(tmp_path: Path) -> None:
    broken = wav(RATE).replace(RATE.to_bytes(4, "little"), bytes(4), 1)
    (tmp_path / "a.wav").write_bytes(wav(RATE) + broken + wav(RATE))
    found = decode(str(tmp_path / "a.wav"))
    assert (found.decoded_s, found.lost) == (33, [(11, 22)])
    assert decode(str(tmp_path / "a.wav"), 21, 24).lost == [(21, 22)]
    (tmp_path / "b.wav").write_bytes(broken + broken)
    with pytest.raises(UnsupportedFormat, match=r"b\.wav"):
        decode(str(tmp_path / "b.wav"))


class Plain:
    """A stream of ones that may end before its stated length."""

    estimated = False
    tracks: list[int] | None = None

    channels = 1

    def __init__(self, rate: int, stated: int, there: int) -> None:
        self.rate, self.duration_s, self._there = rate, stated / rate, there

    def blocks(self, first: int) -> Iterator[Block]:
        if first < self._there:
            yield Block(np.ones(self._there - first, np.float32))


def test_a_part_that_ends_early_is_lost_to_its_stated_end_and_one_that_is_longer_is_cut() -> None:
    chain = Chain([Plain(8_000, 8_000, 2_000), Plain(RATE, 15 * RATE, 16 * RATE), Plain(44_100, 44_100, 40_000)])
    assert (chain.rate, chain.duration_s) == (RATE, 17.0)
    for first in (0, RATE // 2, RATE, 12 * RATE):
        blocks = list(chain.blocks(first))
        lost = np.concatenate([np.full(len(block.samples), block.lost) for block in blocks])
        assert first + len(lost) == 16 * RATE + round(40_000 * RATE / 44_100)
        assert np.flatnonzero(lost).tolist() == list(range(max(RATE - first, 0)))[max(RATE // 4 - first, 0) :]


def test_lost_spans_of_a_part_stay_lost() -> None:
    class Holed(Plain):
        def blocks(self, first: int) -> Iterator[Block]:
            assert first == 0
            yield from (Block(np.ones(100, np.float32)), Block(np.zeros(50, np.float32), True))
            yield Block(np.ones(50, np.float32))

    blocks = Chain([Holed(RATE, 200, 200), Plain(RATE, 10, 10)]).blocks(20)
    assert [(len(block.samples), block.lost) for block in blocks] == [(80, False), (50, True), (50, False), (10, False)]
