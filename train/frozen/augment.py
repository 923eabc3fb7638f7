"""Augmentation of waves: a clip played faster, in a room, in noise, over a telephone; waves in, waves out.

Noise is generated from random numbers, or mixed from other clips; all random numbers come from the caller's generator.
Shapes: waves are float32 [n] at 16 kHz; only the speed changes n.
"""

from collections.abc import Callable, Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import SpecError
from train.spec import ViewSpec

# Energy of a room's echo relative to the direct sound's: a speaker at some two metres.
ECHO_ENERGY = 0.5
TELEPHONE_RATE = 8000
MU = 255  # ITU-T G.711, as in North America and Japan
LEVELS = 127  # of 8 bits, on each side of zero
# Just intonation above a root: triads, major and minor, and the same with a seventh.
CHORDS = ((1, 5 / 4, 3 / 2), (1, 6 / 5, 3 / 2), (1, 5 / 4, 3 / 2, 15 / 8), (1, 6 / 5, 3 / 2, 9 / 5))

Wave64 = NDArray[np.float64]


def augment(
    wave: FloatArray, view: ViewSpec, rng: np.random.Generator, others: Sequence[FloatArray] = ()
) -> FloatArray:
    """The wave in the view: speed, then reverberation, then noise, then codec.

    `others` are the waves that babble is mixed from.  Raises SpecError where the view has babble and there are none.
    """
    wave = at_speed(wave, view.speed)
    if view.reverb_s:
        wave = in_room(wave, view.reverb_s, rng)
    if view.noise == "babble":
        wave = with_noise(wave, babble(len(wave), rng, others), view.snr_db)
    elif view.noise != "none":
        wave = with_noise(wave, NOISES[view.noise](len(wave), rng), view.snr_db)
    return over_telephone(wave) if view.codec == "telephone" else wave


def is_drawn(view: ViewSpec) -> bool:
    """Whether the view uses random numbers."""
    return bool(view.reverb_s) or view.noise != "none"


def at_speed(wave: FloatArray, speed: float) -> FloatArray:
    """The wave played `speed` times as fast, with its pitch changed too, like another voice; costs one resampling."""
    if speed == 1.0:
        return wave
    played: FloatArray = soxr.resample(wave, SAMPLE_RATE * speed, SAMPLE_RATE).astype(np.float32)
    return played


def in_room(wave: FloatArray, reverb_s: float, rng: np.random.Generator) -> FloatArray:
    """The wave with the echo of a simulated room, which falls by 60 dB in `reverb_s`; length and energy are kept."""
    time_s = np.arange(max(2, round(reverb_s * SAMPLE_RATE))) / SAMPLE_RATE
    impulse = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / reverb_s)
    impulse[0] = 0.0
    impulse *= np.sqrt(ECHO_ENERGY / max(_energy(impulse), 1e-30))
    impulse[0] = 1.0  # the direct sound
    size = len(wave) + len(impulse)
    echoed = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(impulse, size), size)[: len(wave)]
    if _energy(echoed) > 0:
        echoed *= np.sqrt(_energy(wave) / _energy(echoed))
    return echoed.astype(np.float32)


def with_noise(wave: FloatArray, noise: Wave64, snr_db: float) -> FloatArray:
    """Sum of wave and noise [n], their energies over the whole clip `snr_db` apart; the wave where either is silent."""
    speech_energy, noise_energy = _energy(wave), _energy(noise)
    if speech_energy == 0 or noise_energy == 0:
        return wave
    gain = np.sqrt(speech_energy / noise_energy / 10 ** (snr_db / 10))
    noisy: FloatArray = (wave + gain * noise).astype(np.float32)
    return noisy


def white(size: int, rng: np.random.Generator) -> Wave64:
    return rng.standard_normal(size)


def pink(size: int, rng: np.random.Generator) -> Wave64:
    """Noise with equal energy in every octave."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    number = np.arange(len(spectrum))
    shaped: Wave64 = np.fft.irfft(spectrum / np.sqrt(np.maximum(number, 1)) * (number > 0), size)
    return shaped


def music(size: int, rng: np.random.Generator) -> Wave64:
    """Chords and arpeggios of decaying notes with a few overtones, at a random tempo."""
    beat = round(SAMPLE_RATE * 60 / rng.uniform(70, 160))
    played = np.zeros(size)
    for begin in range(0, size, beat):
        root_hz = 110 * 2 ** (rng.integers(0, 24) / 12)
        chord = CHORDS[rng.integers(len(CHORDS))]
        # All notes on the beat, or one after the other.
        apart = 0 if rng.random() < 0.5 else beat // len(chord)
        for place, interval in enumerate(chord):
            start = begin + place * apart
            note = _note(min(2 * beat, size - start), root_hz * interval)
            played[start : start + len(note)] += note
    return played


def babble(size: int, rng: np.random.Generator, others: Sequence[FloatArray]) -> Wave64:
    """Sum of other clips, equally loud, each from a random start and repeated where it is short."""
    if not others:
        raise SpecError("field 'features.views': babble requires other clips, and there are none; choose other noise")
    mixed = np.zeros(size)
    for other in others:
        level = np.sqrt(_energy(other) / max(len(other), 1))
        if level > 0:
            start = int(rng.integers(len(other)))
            mixed += np.resize(np.roll(other, -start), size) / level
    return mixed


def over_telephone(wave: FloatArray) -> FloatArray:
    """The wave at 8 kHz, in 8 bits by the mu-law with the loudest sample at full scale, and back at 16 kHz."""
    narrow = soxr.resample(wave.astype(np.float64), SAMPLE_RATE, TELEPHONE_RATE)
    peak = float(np.abs(narrow).max(initial=0.0))
    if peak == 0:
        return wave
    coded = np.round(LEVELS * np.log1p(MU * np.abs(narrow) / peak) / np.log1p(MU)) / LEVELS
    decoded = np.sign(narrow) * np.expm1(coded * np.log1p(MU)) / MU * peak
    wide = soxr.resample(decoded, TELEPHONE_RATE, SAMPLE_RATE)[: len(wave)]
    return np.pad(wide, (0, len(wave) - len(wide))).astype(np.float32)


NOISES: dict[str, Callable[[int, np.random.Generator], Wave64]] = {"white": white, "pink": pink, "music": music}


def _note(size: int, hz: float) -> Wave64:
    time_s = np.arange(max(size, 0)) / SAMPLE_RATE
    tone = sum(np.sin(2 * np.pi * hz * overtone * time_s) / overtone**2 for overtone in (1, 2, 3))
    note: Wave64 = tone * np.exp(-3 * time_s)
    return note


def _energy(wave: "FloatArray | Wave64") -> float:
    return float(np.square(wave, dtype=np.float64).sum())
