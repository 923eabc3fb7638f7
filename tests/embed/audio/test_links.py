"""Recordings that were joined to one file, whose rate, channels or codec change on the way."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from embed.audio.decode import decode, probe
from embed.audio.links import ranges
from embed.audio.stream import Watched
from embed.encoder import SAMPLE_RATE, FloatArray
from tests.embed.films import Track, film, joined
from tests.embed.mutations import by_soundfile
from tests.embed.sounds import tone

# A burst of half a second at 1 s of each link of 6 s: six seconds later there is the next.
BURSTS = np.concatenate([tone(1, 440, 0.0), tone(0.5, 440), tone(4.5, 440, 0.0)])
BOTH = np.stack([BURSTS, BURSTS])


def begins(samples: FloatArray) -> list[float]:
    """Seconds at which sound begins."""
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    return [round(b / SAMPLE_RATE, 1) for a, b in pairwise([-SAMPLE_RATE, *loud.tolist()]) if b - a > SAMPLE_RATE]


# container: (codec, rate, channels) of the links
CHAINS = {
    "opus.ogg": [("libopus", 48_000, BURSTS), ("libopus", 24_000, BOTH)],
    "flac.ogg": [("flac", 44_100, BURSTS), ("flac", 16_000, BOTH)],
    "codecs.ogg": [("flac", 44_100, BOTH), ("libopus", 48_000, BURSTS)],
    "slower.aac": [("aac", 44_100, BURSTS), ("aac", 22_050, BOTH)],
    "faster.aac": [("aac", 22_050, BOTH), ("aac", 44_100, BURSTS)],
    "rates.ts": [("mp2", 48_000, BURSTS), ("mp2", 32_000, BOTH)],
    "same.ts": [("aac", 48_000, BURSTS), ("aac", 48_000, BURSTS)],
    "codecs.mka": [("libopus", 48_000, BURSTS), ("aac", 16_000, BURSTS)],
    "rates.webm": [("libopus", 48_000, BURSTS), ("libopus", 16_000, BOTH)],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAINS)
def test_every_link_is_heard_at_its_time_from_any_place(name: str, tmp_path: Path) -> None:
    links = [
        film(tmp_path / f"{number}.{name}", Track(wave, codec, rate))
        for number, (codec, rate, wave) in enumerate(CHAINS[name])
    ]
    url = str(joined(tmp_path / name, *links))
    whole = decode(url)
    assert begins(whole.samples) == pytest.approx([1, 7], abs=0.11)
    assert whole.decoded_s == pytest.approx(12, abs=0.15)
    assert whole.lost == []
    stated_s = probe(url).stated_s
    assert stated_s is None or stated_s - whole.decoded_s < 0.5
    for start_s in (3, 6.5, 8):
        part = decode(url, start_s)
        np.testing.assert_array_equal(part.samples, whole.samples[round(start_s * SAMPLE_RATE) :])


def test_links_of_other_channels_and_rates_of_vorbis(tmp_path: Path) -> None:
    links = [by_soundfile(BURSTS, "OGG", "VORBIS", rate, num) for rate, num in ((44_100, 1), (22_050, 2), (22_050, 2))]
    (tmp_path / "a.ogg").write_bytes(b"".join(links))
    whole = decode(str(tmp_path / "a.ogg"))
    assert (whole.decoded_s, begins(whole.samples), whole.lost) == (18, [1, 7, 13], [])
    # The same stream twice: its pages have one serial number.
    (tmp_path / "b.ogg").write_bytes(links[0] * 2)
    assert begins(decode(str(tmp_path / "b.ogg")).samples) == [1, 7]
    assert probe(str(tmp_path / "b.ogg")).duration_s == 12


def test_what_is_no_chain_is_one_part(tmp_path: Path) -> None:
    ogg = by_soundfile(BURSTS, "OGG", "OPUS", 48_000, 1)
    tracks = film(tmp_path / "a.ogg", Track(BURSTS, "libopus"), Track(BURSTS, "flac")).read_bytes()
    mka = film(tmp_path / "a.mka", Track(BURSTS, "flac")).read_bytes()

    def found(data: bytes, name: str = "a") -> list[int]:
        return [end - begin for begin, end in ranges(Watched(io.BytesIO(data)), name)]

    for data in (ogg, ogg[:-1000], tracks, mka, mka[:-1000], mka + bytes(50), mka[:20], b"OggS", b"\x1aE\xdf\xa3"):
        assert found(data) == [len(data)]
    assert found(b"") == found(b"fLaC") == []
    assert found(mka + mka) == [len(mka), len(mka)]
    assert found(tracks + ogg + tracks, "b") == [len(tracks), len(ogg), len(tracks)]
