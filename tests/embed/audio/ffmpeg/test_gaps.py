"""Times of sound in films: what begins late, what pauses, what was lost."""

from pathlib import Path

import av
import numpy as np
import pytest

from embed.audio.decode import decode, probe
from embed.audio.ffmpeg.gaps import Line
from embed.encoder import SAMPLE_RATE
from tests.embed.audio.test_links import begins
from tests.embed.films import Track, film
from tests.embed.sounds import tone

LATE_S = 4.087
WAVE = np.concatenate([tone(1, 440, 0.0), tone(1, 440), tone(2, 440, 0.0), tone(1, 440)])

FILMS = {  # container: picture, sound, rate
    "a.mkv": ("mpeg4", "aac", 16_000),
    "a.mp4": ("mpeg4", "aac", 16_000),
    "a.ts": ("mpeg2video", "mp2", 16_000),
    "a.webm": ("libvpx", "libopus", 48_000),
    "a.mov": ("mpeg4", "pcm_s16le", 16_000),
    "a.flv": ("flv", "aac", 44_100),
    "a.wmv": ("wmv2", "wmav2", 16_000),
    "a.mpg": ("mpeg2video", "mp2", 48_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILMS)
def test_times_are_those_of_the_film(name: str, tmp_path: Path) -> None:
    picture, codec, rate = FILMS[name]
    url = str(film(tmp_path / name, Track(WAVE, codec, rate, LATE_S), picture=picture, picture_s=8))
    decoded = decode(url)
    assert begins(decoded.samples) == pytest.approx([5.1, 8.1], abs=0.11)
    assert decoded.decoded_s == pytest.approx(LATE_S + 5, abs=0.1)
    assert decoded.lost == []
    assert not np.abs(decoded.samples[: 4 * SAMPLE_RATE]).any()
    assert begins(decode(url, 6).samples) == pytest.approx([2.1], abs=0.11)
    assert begins(decode(url, 2, 6).samples) == pytest.approx([3.1], abs=0.11)


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.mka", "aac"), ("a.webm", "libopus")])
def test_a_recording_of_sound_alone_begins_with_it(name: str, codec: str, tmp_path: Path) -> None:
    path = film(tmp_path / name, Track(WAVE, codec, start_s=LATE_S), form="mp4" if name == "a.m4a" else None)
    assert begins(decode(str(path)).samples) == pytest.approx([1, 4], abs=0.11)
    assert probe(str(path)).duration_s == pytest.approx(5, abs=0.1)


def without(path: Path, source: Path, from_s: float, until_s: float) -> Path:
    """The film without packets of sound in this span."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            at_s = None if packet.pts is None else float(packet.pts * packet.time_base)
            if at_s is not None and not (packet.stream.type == "audio" and from_s <= at_s < until_s):
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "aac"), ("a.webm", "libopus"), ("a.mp4", "aac")])
def test_a_pause_that_was_never_sent_is_silence_and_not_lost(name: str, codec: str, tmp_path: Path) -> None:
    picture = "libvpx" if name == "a.webm" else "mpeg4"
    path = film(tmp_path / name, Track(WAVE, codec), picture=picture, picture_s=5)
    decoded = decode(str(without(tmp_path / f"paused.{name}", path, 2.2, 3.8)))
    assert begins(decoded.samples) == pytest.approx([1, 4], abs=0.11)
    assert decoded.decoded_s == pytest.approx(5, abs=0.1)
    assert decoded.lost == []


@pytest.mark.parametrize(("name", "codec"), [("a.mka", "flac"), ("a.webm", "libopus"), ("a.ts", "mp2")])
def test_what_is_destroyed_is_lost(name: str, codec: str, tmp_path: Path) -> None:
    path = film(tmp_path / name, Track(tone(12, 440), codec))
    data = path.read_bytes()
    middle, hole = len(data) // 2, len(data) // 6
    path.write_bytes(data[:middle] + np.random.default_rng(0).bytes(hole) + data[middle + hole :])
    decoded = decode(str(path))
    assert decoded.decoded_s == pytest.approx(12, abs=0.1)
    assert 1 < sum(end - start for start, end in decoded.lost) < 7


def test_a_single_wrong_timestamp_moves_nothing() -> None:
    line = Line(0, 0, 1000)
    gaps = []
    for start in (0, 100, 9000, 200, 700, 100, 800, 100, 200, 300, 500):
        gap = line.gap(start, 5000)
        gaps.append(gap)
        line.at += gap + 100
    # 9000 is beyond the end, 700 shows a pause, one 100 is wrong, and with the last ones times start again.
    assert gaps == [0, 0, 0, 0, 300, 0, 0, 0, 0, 0, 0]
