from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from train.curate.clip import Clip, clip_of_file, duration_s, read_clip, text_key, words

RATE = 16_000


def whole(path: Path) -> Clip:
    return Clip("own", "own:tone", "en", "A tone.", str(path), {})


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    """440 Hz at half of full scale."""
    wave: np.ndarray = (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype(np.float32)
    return wave


def loudest_hz(wave: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(wave)).argmax() * RATE / len(wave))


def write_g722(path: Path, wave: np.ndarray) -> None:
    with av.open(str(path), "w", format="g722") as container:
        stream = container.add_stream("g722", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)


@pytest.mark.parametrize(("suffix", "rate"), [("wav", 16_000), ("wav", 8_000), ("ogg", 44_100), ("flac", 48_000)])
def test_a_stereo_tone_comes_back_as_one_wave_at_16_khz(tmp_path: Path, suffix: str, rate: int) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, np.stack([tone(rate), tone(rate) / 2], axis=1), rate)
    wave = read_clip(whole(path))
    assert wave.dtype == np.float32
    # Vorbis comes in blocks, and what stands of the last one is the reader's choice.
    assert len(wave) == pytest.approx(RATE, abs=0 if suffix != "ogg" else RATE // 50)
    assert loudest_hz(wave) == pytest.approx(440, abs=0 if suffix != "ogg" else 2)
    assert np.abs(wave[2000:-2000]).max() == pytest.approx(0.375, abs=0.02)
    assert duration_s(path) == pytest.approx(1)


def test_a_g722_tone_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "tone.g722"
    write_g722(path, tone(RATE))
    wave = read_clip(whole(path))
    assert wave.dtype == np.float32
    assert wave.shape == (RATE,)
    assert loudest_hz(wave) == 440
    assert np.abs(wave[2000:]).max() == pytest.approx(0.5, abs=0.03)
    assert duration_s(path) == 1


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_stretch_is_read_where_it_stands(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tones.{suffix}"
    soundfile.write(path, np.concatenate([tone(RATE, 2.0), 0 * tone(RATE, 2.0)]), RATE)
    first = read_clip(replace(whole(path), offset_s=0.5, duration_s=1.0))
    last = read_clip(replace(whole(path), offset_s=2.5))
    assert len(first) == RATE
    assert loudest_hz(first) == 440
    assert len(last) == 1.5 * RATE
    assert np.abs(last).max() < 0.01


@pytest.mark.parametrize(("seconds", "usable"), [(0.25, False), (0.3, True), (12.0, True), (12.5, False)])
def test_too_short_and_too_long_are_not_usable(tmp_path: Path, seconds: float, usable: bool) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(RATE, seconds), RATE)
    found = clip_of_file("own", "own:tone", "en", "A tone.", tmp_path / "tone.wav", {})
    assert (found is not None) is usable


def test_words_know_neither_case_nor_punctuation() -> None:
    assert words("L'été,  ÇA va !") == ["l", "été", "ça", "va"]
    assert words(" … ") == []


def test_texts_that_count_as_the_same_have_one_key() -> None:
    assert text_key("L'été,  ÇA va !") == text_key("l ÉTÉ ça va") == "l été ça va"
    assert text_key(" … ") == ""


def test_a_clip_is_named_by_key_and_language_and_recorded_unless_it_is_marked() -> None:
    clip = Clip("own", "own:1", "fr", "oui", "1.wav", {})
    assert clip.name == "own:1 (fr)"
    assert not clip.synthetic
