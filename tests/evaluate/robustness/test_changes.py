"""Changed waves: the right level of noise, the right band, the same again, and no other length but by speed."""

from pathlib import Path

import numpy as np
import pytest

from embed.encoder import FloatArray
from embed.errors import InputError
from evaluate.robustness.changes import Changed, clipped, over_gsm
from evaluate.robustness.levels import LEVELS
from tests.evaluate.shelf import clips_in
from train.curate.clip import Clip, read_clip

ADDED = ("background-speech", "media", "traffic")


def tones(*hz: float) -> FloatArray:
    time_s = np.arange(16_000) / 16_000
    return sum(0.1 * np.sin(2 * np.pi * one * time_s) for one in hz).astype(np.float32)  # type: ignore[union-attr]


def power(wave: FloatArray, hz: float) -> float:
    return float(np.abs(np.fft.rfft(wave)[round(hz * len(wave) / 16_000)]))


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    return clips_in(tmp_path)


@pytest.mark.parametrize("change", ADDED)
def test_noise_is_as_loud_as_its_level_and_the_same_at_each(change: str, clips: list[Clip]) -> None:
    wave = read_clip(clips[0]).astype(np.float64)
    noises = []
    for level in (20.0, 0.0):
        noise = Changed(change, level, 5)(clips)(clips[0]) - wave
        assert 10 * np.log10(np.square(wave).sum() / np.square(noise).sum()) == pytest.approx(level, abs=0.01)
        noises.append(noise / np.linalg.norm(noise))
    assert float(noises[0] @ noises[1]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("change", LEVELS)
def test_a_change_is_the_same_again_and_of_its_seed(change: str, clips: list[Clip]) -> None:
    level = LEVELS[change].levels[-1]
    wave = read_clip(clips[1])
    found, again, other = (Changed(change, level, seed)(clips)(clips[1]) for seed in (0, 0, 1))
    assert np.array_equal(found, again)
    assert np.array_equal(found, other) == (change in ("gsm", "speed", "clipping"))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert len(found) == (pytest.approx(len(wave) / level, abs=2) if change == "speed" else len(wave))
    assert not np.allclose(found[: len(wave)], wave[: len(found)])


def test_gsm_ends_at_four_kilohertz_and_is_in_step() -> None:
    wave = tones(440, 6000)
    found = over_gsm(wave)
    assert power(found, 6000) < 0.01 * power(wave, 6000)
    assert power(found, 440) > 0.5 * power(wave, 440)
    shifts = [float(np.roll(found, shift) @ tones(440)) for shift in range(-20, 21)]
    assert abs(int(np.argmax(shifts)) - 20) <= 2


def test_peaks_are_cut_off_and_silence_stays() -> None:
    wave = np.asarray([0, 0.1, -0.4, 0.8], np.float32)
    assert clipped(wave, 6.0206).tolist() == pytest.approx([0, 0.1, -0.4, 0.4], abs=1e-4)
    assert clipped(np.zeros(3, np.float32), 6).tolist() == [0, 0, 0]


def test_one_recording_has_no_other_to_be_mixed_with(clips: list[Clip]) -> None:
    with pytest.raises(InputError, match="background speech requires other recordings in the task"):
        Changed("background-speech", 0.0)(clips[:1])(clips[0])
