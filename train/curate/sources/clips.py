"""A clip: one recorded utterance with its text and the texts of the same prompt in other languages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import soundfile

from embed.audio import decode
from embed.encoder import SAMPLE_RATE, FloatArray

SHORTEST_S, LONGEST_S = 0.3, 12.0
G722_SAMPLES_PER_BYTE = 2  # 64 kbit/s at 16 kHz, with no header


@dataclass(frozen=True)
class Clip:
    """`key` names the prompt, begins with its source and is the same in every language."""

    source: str
    key: str
    lang: str
    text: str
    path: Path
    translations: Mapping[str, str]  # language -> text of the same key, the clip's own language included


def words(text: str) -> list[str]:
    """Lower-case words, without punctuation: texts with equal words count as the same text."""
    return re.findall(r"\w+", text.lower())


def usable_length(path: Path) -> bool:
    """Between 0.3 and 12 seconds, as far as the size or header tells."""
    return SHORTEST_S <= duration_s(path) <= LONGEST_S


def duration_s(path: Path) -> float:
    """Seconds of speech in the file, read from its size or header."""
    if path.suffix == ".g722":
        return path.stat().st_size * G722_SAMPLES_PER_BYTE / SAMPLE_RATE
    return float(soundfile.info(path).duration)


def read_clip(path: Path) -> FloatArray:
    """The whole recording as a 1-d wave at 16 kHz, channels averaged, full scale at 1.  Raises InputError."""
    return decode(str(path)).samples
