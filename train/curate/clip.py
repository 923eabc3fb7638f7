"""Clip: one recorded utterance with its text and the texts of the same prompt in other languages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import soundfile

from embed.audio.decode import decode
from embed.encoder import SAMPLE_RATE, FloatArray

SHORTEST_S, LONGEST_S = 0.3, 12.0
G722_SAMPLES_PER_BYTE = 2  # 64 kbit/s at 16 kHz, with no header


@dataclass(frozen=True)
class Clip:
    """A stretch of the recording at `uri`, a local path or s3:// url; by default the whole recording.

    `key` names the prompt, begins with its source and is the same in every language.
    """

    source: str
    key: str
    lang: str
    text: str
    uri: str
    translations: Mapping[str, str]  # language -> text of the same key, the clip's own language included
    offset_s: float = 0.0
    duration_s: float | None = None  # None: to the end of the recording, length unknown
    size: int = 0  # bytes of the whole recording; 0 is unknown
    synthetic: bool = False  # synthetic speech: used only for training

    @property
    def name(self) -> str:
        """Name of the clip for users: key and language."""
        return f"{self.key} ({self.lang})"


def clip_of_file(
    source: str, key: str, lang: str, text: str, path: Path, translations: Mapping[str, str]
) -> Clip | None:
    """A clip of a whole file on this machine; None where it is not between 0.3 and 12 seconds long."""
    length_s = duration_s(path)
    if not SHORTEST_S <= length_s <= LONGEST_S:
        return None
    return Clip(source, key, lang, text, str(path), translations, duration_s=length_s, size=path.stat().st_size)


def words(text: str) -> list[str]:
    """Lower-case words, without punctuation: texts with equal words count as the same text."""
    return re.findall(r"\w+", text.lower())


def text_key(text: str) -> str:
    """The words, joined by blanks: equal for texts that count as the same, empty for a text without words."""
    return " ".join(words(text))


def duration_s(path: Path) -> float:
    """Seconds of the file, from its size or header."""
    stat = path.stat()
    return _duration_s(path, stat.st_size, stat.st_mtime_ns)


def read_clip(clip: Clip) -> FloatArray:
    """A 1-d wave at 16 kHz, channels averaged, full scale at 1.  Raises InputError."""
    end_s = None if clip.duration_s is None else clip.offset_s + clip.duration_s
    return decode(clip.uri, clip.offset_s, end_s).samples


@cache  # a source's thousands of files are listed for every task, and for every language of the split
def _duration_s(path: Path, size: int, changed_ns: int) -> float:
    if path.suffix == ".g722":
        return size * G722_SAMPLES_PER_BYTE / SAMPLE_RATE
    return float(soundfile.info(path).duration)
