"""Filter of recordings: drops missing, unreadable, silent, too short, too long and truncated ones."""

from dataclasses import dataclass

import numpy as np

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError
from embed.storage import store
from train.curate.clip import Clip, read_clip

SILENT_DBFS = -60.0
SHORTEST_S = 0.1  # two frames of most towers
LONGEST_S = 60.0  # no tower reads more in one pass
WHOLE = 0.9  # share of a listed stretch; with less, the recording is not the listed one


@dataclass(frozen=True)
class RecordingFilter:
    """Reads the recording.  Raises StorageError where the storage does not answer.

    `longest_s` is the most that the tower reads in one pass: the text of a longer clip covers more than that.
    """

    longest_s: float = LONGEST_S

    @property
    def settings(self) -> float:
        return self.longest_s

    def __call__(self, clip: Clip) -> str | None:
        try:
            wave = read_clip(clip)
        except InputError:
            return "unreadable" if store.exists(clip.uri) else "missing"
        length_s = len(wave) / SAMPLE_RATE
        if length_s < WHOLE * (clip.duration_s or 0):
            return "the recording ends before the listed stretch does"
        if length_s < SHORTEST_S:
            return f"shorter than {SHORTEST_S:g} s"
        if length_s > self.longest_s:
            return f"longer than {self.longest_s:g} s"
        return "silent" if level_dbfs(wave) < SILENT_DBFS else None


def level_dbfs(wave: FloatArray) -> float:
    """Root mean square over the wave in dB relative to full scale; -inf for zeros."""
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64))))
