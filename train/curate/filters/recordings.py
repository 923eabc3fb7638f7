"""Recordings looked into before anything is learned from them: what is missing, silent or cut is left out, and why.

Reasons name no file, so that they can be counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError
from embed.storage import store
from train.curate.clip import Clip, read_clip

SILENT_DBFS = -60.0
SHORTEST_S = 0.1  # two frames of most towers
LONGEST_S = 60.0  # as long as any tower hears at once
WHOLE = 0.9  # of a listed stretch; less is another recording than the listed one


@dataclass(frozen=True)
class Dropped:
    """An example that is not used, by its name, and why."""

    name: str
    reason: str


def checked(clips: Sequence[Clip], longest_s: float = LONGEST_S) -> tuple[list[Clip], list[Dropped]]:
    """The clips that can be heard, in the order given, and the others.  StorageError where a store does not answer.

    `longest_s` is what the tower hears at once: the text of a clip that goes on says more than is heard of it.
    """
    kept, dropped = [], []
    for clip, reason in zip(clips, store.in_turn(lambda one: _fault(one, longest_s), clips), strict=True):
        if reason is None:
            kept.append(clip)
        else:
            dropped.append(Dropped(name_of(clip), reason))
    return kept, dropped


def name_of(clip: Clip) -> str:
    return f"{clip.key} ({clip.lang})"


def _fault(clip: Clip, longest_s: float) -> str | None:
    try:
        wave = read_clip(clip)
    except InputError:
        return "unreadable" if store.exists(clip.uri) else "missing"
    length_s = len(wave) / SAMPLE_RATE
    if length_s < WHOLE * (clip.duration_s or 0):
        return "the recording ends before the listed stretch does"
    if length_s < SHORTEST_S:
        return f"shorter than {SHORTEST_S:g} s"
    if length_s > longest_s:
        return f"longer than {longest_s:g} s"
    return "silent" if level_dbfs(wave) < SILENT_DBFS else None


def level_dbfs(wave: FloatArray) -> float:
    """Root mean square over the wave, full scale being 0; -inf for zeros."""
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64))))
