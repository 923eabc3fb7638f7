"""Filter of recordings: drops what is missing, unreadable, silent, too short, too long or cut."""

from dataclasses import dataclass

import numpy as np

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError
from embed.storage import store
from train.curate.clip import Clip, read_clip

SILENT_DBFS = -60.0
SHORTEST_S = 0.1  # two frames of most towers
LONGEST_S = 60.0  # as long as any tower reads at once
WHOLE = 0.9  # of a listed stretch; less is another recording than the listed one


@dataclass(frozen=True)
class RecordingFilter:
    """Reads the recording; StorageError where a store does not answer.

    `longest_s` is what the tower reads at once: the text of a longer clip says more than the tower can know of it.
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
    """Root mean square over the wave, full scale being 0; -inf for zeros."""
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64))))
