"""Changes of recordings: a wave in, a wave out, the same for every system; all random numbers come from the seed.

Noise is the same at each of its levels.  Waves are float32 [n] at 16 kHz; only the speed changes n.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soundfile
import soxr

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError
from embed.identity import digest
from train.curate.clip import Clip, read_clip
from train.frozen.augment import Wave64, at_speed, babble, in_room, music, pink, with_noise

TALKERS = 6
GSM_RATE = 8000
RUMBLE_HZ, PASS_S = 120.0, 4.0  # of engines; between two cars, in the mean


@dataclass(frozen=True)
class Changed:
    """A reader of recordings that changes each."""

    change: str
    level: float
    seed: int = 0

    @property
    def name(self) -> str:
        """Part of the names of kept encodings."""
        return f"{self.change} {self.level:g} {self.seed} {RECIPE}"

    def __call__(self, clips: Sequence[Clip]) -> Callable[[Clip], FloatArray]:
        def read(clip: Clip) -> FloatArray:
            key = int.from_bytes(digest("changed", self.seed, self.change, clip.key, clip.lang, clip.offset_s)[:8])
            rng = np.random.default_rng(key)
            wave = read_clip(clip)
            if self.change == "background-speech":
                return with_noise(wave, babble(len(wave), rng, _others(clip, clips, rng)), self.level)
            return CHANGES[self.change](wave, self.level, rng)

        return read


RECIPE = 1  # increment it when the same clip, change, level and seed get another wave


def _others(clip: Clip, clips: Sequence[Clip], rng: np.random.Generator) -> list[FloatArray]:
    """Some other recordings of the task, of other prompts."""
    able = sorted({(one.uri, one.offset_s): one for one in clips if one.key != clip.key}.items(), key=lambda it: it[0])
    if not able:
        raise InputError(f"{clip.name}: background speech requires other recordings in the task; remove this change")
    talking = (able[int(one)][1] for one in rng.choice(len(able), min(TALKERS, len(able)), replace=False))
    return [_read(one.uri, one.offset_s, one.duration_s) for one in talking]


@lru_cache(maxsize=512)  # a task's recordings, for all levels
def _read(uri: str, offset_s: float, duration_s: float | None) -> FloatArray:
    return read_clip(Clip("", "", "", "", uri, {}, offset_s, duration_s))


def traffic(size: int, rng: np.random.Generator) -> Wave64:
    """A street: the rumble of engines, and cars that pass, whose tyres hiss."""
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    rumble = np.fft.irfft(spectrum * (hz > 20) / (1 + (hz / RUMBLE_HZ) ** 2), size)
    time_s = np.arange(size) / SAMPLE_RATE
    passing = np.full(size, 0.2)
    for _ in range(1 + rng.poisson(size / SAMPLE_RATE / PASS_S)):
        near, width = rng.uniform(0, size / SAMPLE_RATE), rng.uniform(0.6, 1.5)
        passing += np.exp(-(((time_s - near) / width) ** 2))
    tyres = pink(size, rng) * passing
    mixed: Wave64 = rumble / max(float(rumble.std()), 1e-12) + tyres / max(float(tyres.std()), 1e-12)
    return mixed


def over_gsm(wave: FloatArray) -> FloatArray:
    """The wave at 8 kHz through the codec of GSM 06.10, full rate, and back at 16 kHz; its length is kept."""
    narrow = soxr.resample(wave, SAMPLE_RATE, GSM_RATE)
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(narrow, -1, 1), GSM_RATE, format="WAV", subtype="GSM610")
    buffer.seek(0)
    decoded = soundfile.read(buffer, dtype="float32")[0]
    wide = soxr.resample(decoded, GSM_RATE, SAMPLE_RATE)[: len(wave)]
    return np.pad(wide, (0, len(wave) - len(wide))).astype(np.float32)


def clipped(wave: FloatArray, over_db: float) -> FloatArray:
    """The wave with its peaks cut off, as if its peak had been so far above full scale."""
    peak = float(np.abs(wave).max(initial=0.0))
    if peak == 0:
        return wave
    most = peak * 10 ** (-over_db / 20)
    cut: FloatArray = np.clip(wave, -most, most).astype(np.float32)  # not amplified: the shape alone changes
    return cut


CHANGES: dict[str, Callable[[FloatArray, float, np.random.Generator], FloatArray]] = {
    "media": lambda wave, level, rng: with_noise(wave, music(len(wave), rng), level),
    "traffic": lambda wave, level, rng: with_noise(wave, traffic(len(wave), rng), level),
    "gsm": lambda wave, level, rng: over_gsm(wave),
    "speed": lambda wave, level, rng: at_speed(wave, level),
    "clipping": lambda wave, level, rng: clipped(wave, level),
    "reverberation": lambda wave, level, rng: in_room(wave, level, rng) if level else wave,
}
