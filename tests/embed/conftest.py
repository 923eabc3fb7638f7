"""A voice made by the tests themselves, for where no recording is at hand."""

from collections.abc import Callable

import numpy as np
import pytest

from embed.encoder import FloatArray


@pytest.fixture(scope="session")
def voice() -> Callable[[float, int], FloatArray]:
    """voice(seconds, seed): vowel after vowel, four a second; silero hears speech, and doubts in places."""
    return _voice


def _voice(seconds: float, seed: int) -> FloatArray:
    """Harmonics of a gliding pitch, shaped by three formants that change with each syllable."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16_000)) / 16_000
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * t) + 10 * np.sin(2 * np.pi * 2.3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    targets = rng.uniform([300, 900, 2200], [800, 2200, 3000], (int(seconds * 4) + 1, 3))[(t * 4).astype(int)]
    window = np.hanning(801) / np.hanning(801).sum()
    formants = [np.convolve(np.pad(targets[:, i], 400, mode="edge"), window, "valid") for i in range(3)]
    wave = 0.001 * rng.standard_normal(len(t))
    loudness = 0.15 * np.clip(np.sin(np.pi * (t * 4 % 1)) * 1.5, 0.05, 1)
    for number in range(1, 36):
        shapes = zip(formants, (1, 0.6, 0.3), (80, 100, 150), strict=True)
        gain = sum(level / (1 + ((number * pitch - formant) / width) ** 2) for formant, level, width in shapes)
        wave += loudness * gain / number**0.5 * np.sin(number * phase)
    return wave.astype(np.float32)
