"""Sounds of a few seconds for the tests of fingerprints: tunes in keys of their own, and what stands for speech."""

import numpy as np

from embed.encoder import SAMPLE_RATE, FloatArray


def tune(seed: int, seconds: float = 5.0) -> FloatArray:
    """Notes of eight harmonics, a quarter of a second apart, in a key of the seed."""
    rng = np.random.default_rng(seed)
    found = np.zeros(int(seconds * SAMPLE_RATE))
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    key = 220 * 2 ** rng.uniform(0, 1)
    for begin in range(0, len(found) - SAMPLE_RATE, int(SAMPLE_RATE * rng.uniform(0.2, 0.3))):
        note = key * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
        waves = sum(np.sin(2 * np.pi * note * n * times + rng.uniform(0, 6)) / n for n in range(1, 9))
        found[begin : begin + SAMPLE_RATE] += waves * np.exp(-rng.uniform(2, 8) * times)
    return np.asarray(0.1 * found / np.sqrt(np.mean(found**2)), np.float32)


def talk(seed: int, seconds: float) -> FloatArray:
    """Gliding harmonics in syllables with pauses: like speech, and never twice the same."""
    rng = np.random.default_rng(seed)
    parts: list[FloatArray] = []
    while sum(map(len, parts)) < seconds * SAMPLE_RATE:
        times = np.arange(int(rng.uniform(0.1, 0.3) * SAMPLE_RATE)) / SAMPLE_RATE
        pitch, glide, middle = rng.uniform(90, 250), rng.uniform(-0.5, 0.5), rng.uniform(300, 3_000, 2)
        phase = 2 * np.pi * np.cumsum(pitch * (1 + glide * times)) / SAMPLE_RATE
        loud = (np.exp(-(((n * pitch - middle[:, None]) / 300) ** 2)).sum() for n in range(1, 16))
        sound = sum(level * np.sin(n * phase) for n, level in enumerate(loud, 1)) * np.hanning(len(times))
        sound += 0.05 * rng.standard_normal(len(times))
        pause = np.zeros(int(rng.uniform(0, 0.15) * SAMPLE_RATE), np.float32)
        parts += [np.asarray(0.1 * sound / np.sqrt(np.mean(sound**2)), np.float32), pause]
    return np.concatenate(parts)[: int(seconds * SAMPLE_RATE)]
