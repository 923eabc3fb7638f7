"""How a clip is heard: every change alone, on tones and noise whose answer is plain."""

from typing import Any

import numpy as np
import pytest

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import SpecError
from train.frozen.augment import (
    Wave64,
    at_speed,
    augment,
    babble,
    in_room,
    is_drawn,
    music,
    over_telephone,
    pink,
    with_noise,
)
from train.spec import ViewSpec

VALUES: dict[str, dict[str, Any]] = {
    "plain": {},
    "fast": {"speed": 1.1},
    "room": {"reverb_s": 0.4},
    "white": {"noise": "white"},
    "pink": {"noise": "pink", "snr_db": 5},
    "babble": {"noise": "babble", "snr_db": 0},
    "music": {"noise": "music", "snr_db": -5},
    "telephone": {"codec": "telephone"},
    "everything": {"speed": 0.9, "reverb_s": 0.3, "noise": "babble", "snr_db": 10, "codec": "telephone"},
}
VIEWS = {name: ViewSpec.parse(values) for name, values in VALUES.items()}
DRAWN = {"room", "white", "pink", "babble", "music", "everything"}


def tone(hz: float, seconds: float = 1.0, loud: float = 0.5) -> FloatArray:
    time_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (loud * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


OTHERS = [tone(300, 0.3), tone(700, 2.0), tone(1100, 0.9, loud=0.01)]


def energy(wave: FloatArray | Wave64) -> float:
    return float(np.square(wave.astype(np.float64)).sum())


def peak_hz(wave: FloatArray) -> float:
    return float(np.abs(np.fft.rfft(wave)).argmax()) * SAMPLE_RATE / len(wave)


def band(wave: FloatArray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    hz = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)
    return float(power[(hz >= low_hz) & (hz < high_hz)].sum())


@pytest.mark.parametrize("name", VIEWS)
def test_the_generator_decides_all(name: str) -> None:
    wave, view = tone(440), VIEWS[name]
    before = wave.copy()
    first, again, other = (augment(wave, view, np.random.default_rng(seed), OTHERS) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (not is_drawn(view)) == (name not in DRAWN)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert len(first) == pytest.approx(len(wave) / view.speed, abs=2)
    assert np.array_equal(wave, before)


def test_the_plain_view_is_the_wave_itself() -> None:
    wave = tone(440)
    assert augment(wave, VIEWS["plain"], np.random.default_rng(0)) is wave


@pytest.mark.parametrize("noise", ["white", "pink", "babble", "music"])
@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.5, 30.0])
def test_the_ratio_of_speech_to_noise_is_exact(noise: str, snr_db: float) -> None:
    wave = tone(440, 1.3)
    view = ViewSpec.parse({"noise": noise, "snr_db": snr_db})
    noisy = augment(wave, view, np.random.default_rng(3), OTHERS)
    added = noisy.astype(np.float64) - wave
    assert 10 * np.log10(energy(wave) / energy(added)) == pytest.approx(snr_db, abs=1e-3)


def test_silence_stays_silent() -> None:
    silence = np.zeros(8000, np.float32)
    for view in VIEWS.values():
        assert not augment(silence, view, np.random.default_rng(0), OTHERS).any()
    assert np.array_equal(with_noise(tone(440), np.zeros(SAMPLE_RATE), 10), tone(440))


def test_speed_shortens_the_wave_and_raises_the_pitch() -> None:
    fast = at_speed(tone(400), 1.25)
    assert len(fast) == pytest.approx(SAMPLE_RATE / 1.25, abs=2)
    assert peak_hz(fast) == pytest.approx(500, abs=2)


def test_an_echo_falls_by_60_db_in_its_time() -> None:
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[0] = 1
    echo = in_room(click, 0.5, np.random.default_rng(0))
    assert energy(echo) == pytest.approx(energy(click), rel=1e-5)
    assert energy(echo[1:]) / energy(echo[:1]) == pytest.approx(0.5, rel=1e-3)

    def level_db(at_s: float) -> float:
        part = echo[int(at_s * SAMPLE_RATE) :][:800]
        return float(10 * np.log10(energy(part) / len(part)))

    # Over 0.3 s of 0.5 the tail falls by 36 dB.
    assert level_db(0.05) - level_db(0.35) == pytest.approx(36, abs=1.5)
    assert np.abs(echo[SAMPLE_RATE // 2 :]).max() < 1e-6  # only rounding is left


def test_pink_noise_has_equal_octaves() -> None:
    noise = pink(4 * SAMPLE_RATE, np.random.default_rng(0)).astype(np.float32)
    octaves = [band(noise, low, 2 * low) for low in (250, 500, 1000, 2000)]
    assert max(octaves) / min(octaves) < 1.25


def test_music_is_tones_not_noise() -> None:
    played = music(3 * SAMPLE_RATE, np.random.default_rng(0))
    power = np.sort(np.abs(np.fft.rfft(played)) ** 2)[::-1]
    assert power[: len(power) // 50].sum() / power.sum() > 0.9
    assert np.abs(played[-1000:]).max() > 0  # to the end


def test_babble_is_of_the_others_equally_loud() -> None:
    mixed = babble(2 * SAMPLE_RATE, np.random.default_rng(0), OTHERS).astype(np.float32)
    levels = [band(mixed, hz - 100, hz + 100) for hz in (300, 700, 1100)]
    assert max(levels) / min(levels) < 1.1
    assert sum(levels) / band(mixed, 0, 8000) > 0.95


def test_babble_of_nobody_is_refused() -> None:
    with pytest.raises(SpecError, match=r"features\.views"):
        augment(tone(440), VIEWS["babble"], np.random.default_rng(0))


def test_a_telephone_passes_what_is_under_4_khz() -> None:
    low, high = tone(1000), tone(6000)
    both = over_telephone(low + high)
    assert band(both, 900, 1100) == pytest.approx(band(low, 900, 1100), rel=0.05)
    assert band(both, 5900, 6100) < 1e-4 * band(high, 5900, 6100)


def test_a_telephone_adds_the_noise_of_eight_bits() -> None:
    sent = tone(1000)
    added = over_telephone(sent)[1000:-1000] - sent[1000:-1000]
    assert 30 < 10 * np.log10(energy(sent[1000:-1000]) / energy(added)) < 45
