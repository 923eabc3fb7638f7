from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr

from embed.audio.decode import decode, probe
from embed.encoder import FloatArray
from embed.errors import InputError, UnsupportedFormat
from embed.storage import store

SECONDS = 33


def sound(rate: int, seconds: float = SECONDS) -> FloatArray:
    """A tone that comes and goes, with noise: every moment is unlike the others."""
    t = np.arange(int(rate * seconds)) / rate
    noise = np.random.default_rng(0).standard_normal(len(t))
    mixed: FloatArray = (0.3 * np.sin(2 * np.pi * 440 * t) * np.cos(t) + 0.05 * noise).astype(np.float32)
    return mixed


def write(path: Path, rate: int, channels: int = 1) -> FloatArray:
    """Writes `sound`; returns what should be heard, mono at 16 kHz."""
    wave = sound(rate)
    stereo = np.stack([wave, np.zeros_like(wave)], axis=1) if channels == 2 else wave[:, None]
    with soundfile.SoundFile(path, "w", rate, channels) as file:
        for start in range(0, len(wave), rate):  # libsndfile's vorbis encoder crashes on much at once
            file.write(stereo[start : start + rate])
    mono = stereo.mean(axis=1)
    heard: FloatArray = mono if rate == 16_000 else soxr.resample(mono, rate, 16_000)
    return heard


EXACT = [("wav", 16_000, 1), ("flac", 16_000, 2), ("wav", 8_000, 1), ("wav", 44_100, 2), ("flac", 11_025, 1)]
LOSSY = [("ogg", 16_000, 1), ("ogg", 44_100, 2), ("mp3", 16_000, 1), ("mp3", 44_100, 1)]


@pytest.mark.slow
@pytest.mark.parametrize(("container", "rate", "channels"), EXACT + LOSSY)
def test_any_slice_equals_the_slice_of_the_whole(container: str, rate: int, channels: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{container}"
    heard = write(path, rate, channels)
    whole = decode(str(path))
    assert abs(len(whole.samples) - len(heard)) <= 1
    assert whole.samples.dtype == np.float32
    if (container, rate, channels) in EXACT:
        np.testing.assert_allclose(whole.samples, heard[: len(whole.samples)], atol=2e-4)  # 16-bit files
    else:
        assert np.corrcoef(whole.samples, heard[: len(whole.samples)])[0, 1] > 0.98
    for start, end in ((0, 3), (7, 9), (12.5, 21.25), (29, None), (32, 40)):
        piece = decode(str(path), start, end)
        stop = None if end is None else int(end * 16_000)
        np.testing.assert_allclose(piece.samples, whole.samples[int(start * 16_000) : stop], atol=1e-6)
        assert piece.start_s == start
    assert decode(str(path), SECONDS + 5).decoded_s == 0


@pytest.mark.slow
def test_g722_has_no_header_and_m4a_is_no_libsndfile_format(tmp_path: Path) -> None:
    for name, codec, rate in (("a.g722", "g722", 16_000), ("a.m4a", "aac", 44_100), ("a.webm", "libopus", 48_000)):
        path = str(tmp_path / name)
        _encode(path, codec, rate)
        info = probe(path)
        assert info.duration_s == pytest.approx(SECONDS, abs=0.1)
        assert info.sample_rate == rate
        whole = decode(path)
        assert whole.decoded_s == pytest.approx(SECONDS, abs=0.1)
        piece = decode(path, 14, 17).samples
        shifts = [whole.samples[14 * 16_000 + by :][: len(piece)] for by in range(-16, 17)]  # webm's clock ticks in ms
        assert max(np.corrcoef(piece, other)[0, 1] for other in shifts) > 0.99


def _encode(path: str, codec: str, rate: int) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray((sound(rate) * 32_767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        fifo = av.AudioFifo()
        for part in av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate).resample(frame):
            fifo.write(part)
        while (part := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def test_samples_that_are_not_finite_are_silence_and_lost(tmp_path: Path) -> None:
    wave = sound(16_000, 30)
    wave[16_000:24_000] = np.nan
    wave[100_000] = np.inf
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    decoded = decode(str(tmp_path / "a.wav"))
    assert decoded.lost == [(1.0, 1.5), (6.25, 6.25 + 1 / 16_000)]
    assert np.isfinite(decoded.samples).all()
    assert decode(str(tmp_path / "a.wav"), 1.25, 5).lost == [(1.25, 1.5)]


def test_damage_in_the_middle_loses_only_what_it_hit(tmp_path: Path) -> None:
    write(tmp_path / "a.flac", 16_000)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 5000] = np.random.default_rng(0).bytes(5000)
    (tmp_path / "a.flac").write_bytes(data)
    decoded = decode(str(tmp_path / "a.flac"))
    assert decoded.decoded_s == SECONDS
    assert 0 < sum(end - start for start, end in decoded.lost) < 1
    np.testing.assert_allclose(decoded.samples[-16_000:], sound(16_000)[-16_000:], atol=1e-4)


def test_bad_files_are_clear_errors_that_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("Bonjour, ceci est un texte.\n" * 50)
    (tmp_path / "noise.wav").write_bytes(np.random.default_rng(0).bytes(100_000))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 16_000)
    expected = {
        "empty.wav": (InputError, "empty file"),
        "none.wav": (InputError, "no samples"),
        "absent.wav": (InputError, "absent.wav"),
        "text.wav": (UnsupportedFormat, "no reader knows"),
        "noise.wav": (UnsupportedFormat, "no reader knows"),
        "picture.png": (UnsupportedFormat, "without a readable audio stream"),
    }
    for name, (kind, reason) in expected.items():
        for read in (probe, decode):
            with pytest.raises(kind, match=reason) as caught:
                read(str(tmp_path / name))
            assert type(caught.value) is kind
            assert name in str(caught.value)


def test_one_sample_is_decoded(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", np.ones(1, np.float32), 16_000, subtype="FLOAT")
    assert decode(str(tmp_path / "one.wav")).samples.tolist() == [1.0]
    assert probe(str(tmp_path / "one.wav")).duration_s == 1 / 16_000


@pytest.mark.s3
def test_s3_gives_the_same_samples(tmp_path: Path, s3_url: str) -> None:
    for name in ("a.flac", "a.mp3"):
        write(tmp_path / name, 16_000)
        url = store.join(s3_url, name)
        store.write_bytes(url, (tmp_path / name).read_bytes())
        np.testing.assert_array_equal(decode(url, 11, 13).samples, decode(str(tmp_path / name), 11, 13).samples)
