"""Archive of broadcasts for the bench: joined speech, in which jingles, spots and speech come again, changed.

The speech is recorded captions and prompts, each text once.  Where more hours are wanted than there are, it comes again
at other speeds, so far apart (at least 5 %) that no fingerprint should find it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import DataUnavailable
from embed.storage.cache import cache_folder
from evaluate.bench.curate.changes import CHANGES, played, rms
from train.curate.clip import Clip, read_clip, text_key
from train.curate.sources import asterisk, tuxpaint

SPEEDS = (1.0, 0.9, 1.1, 0.81, 1.21, 0.855, 1.155, 0.95, 1.05, 0.77)
LEVEL = 0.05  # rms of the speech
ITEM_S = (5.0, 15.0)


Wave = NDArray[np.float64]


@dataclass(frozen=True)
class Airing:
    """A sound of the archive: its number among the items, where it is, and how it was changed."""

    item: int
    recording: int
    start_s: float
    end_s: float
    change: str  # "" for the first


@dataclass(frozen=True)
class Recording:
    number: int
    samples: FloatArray
    airings: tuple[Airing, ...]


def clips() -> list[Clip]:
    """Recorded captions and prompts, each text of a language once.  Raises DataUnavailable where there are none."""
    cache = cache_folder()
    found = [*tuxpaint.clips(cache, tuxpaint.LANGS), *asterisk.clips(cache)]
    return list({(clip.lang, text_key(clip.text)): clip for clip in found}.values())


def speech(seed: int = 7) -> Iterator[FloatArray]:
    """Utterances with pauses, without end until all speeds are used up."""
    found = clips()
    rng = np.random.default_rng(seed)
    for speed in SPEEDS:
        for place in rng.permutation(len(found)):
            wave = read_clip(found[place])
            wave = played(wave, speed) if speed != 1.0 else wave
            wave = (wave * np.float32(LEVEL / rms(wave))).astype(np.float32)
            yield np.pad(np.clip(wave, -1, 1), (0, int(rng.uniform(0.15, 0.5) * SAMPLE_RATE)))


class Tape:
    """Speech of any length, read once from its start to its end."""

    def __init__(self, waves: Iterator[FloatArray]) -> None:
        self._waves, self._rest = waves, np.zeros(0, np.float32)

    def take(self, num: int) -> FloatArray:
        parts = [self._rest]
        while sum(map(len, parts)) < num:
            wave = next(self._waves, None)
            if wave is None:
                raise DataUnavailable("the bench has no more speech: choose a smaller --n")
            parts.append(wave)
        joined = np.concatenate(parts)
        self._rest = joined[num:]
        return joined[:num]


def tune(rng: np.random.Generator, seconds: float) -> FloatArray:
    """A jingle: melody, chords and a drum, in a key and a speed of its own."""
    length = int(seconds * SAMPLE_RATE)
    found = np.zeros(length)
    key, beat_s = 220 * 2 ** rng.uniform(0, 1), 30 / rng.uniform(90, 150)
    for beat in range(int(seconds / beat_s)):
        begin = int(beat * beat_s * SAMPLE_RATE)
        note = key * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12, 14, 16]) / 12)
        _add(found, begin, _tone(note, beat_s * rng.uniform(0.8, 2.5), rng.uniform(2, 8), rng))
        if beat % 4 == 0:
            root = rng.choice([0, 5, 7])
            for step in (0, 4, 7):
                _add(found, begin, 0.5 * _tone(key / 2 * 2 ** ((root + step) / 12), 4 * beat_s, 1.0, rng))
        if beat % 2 == 0:
            drum = rng.standard_normal(SAMPLE_RATE // 10) * np.exp(-np.arange(SAMPLE_RATE // 10) / 400)
            _add(found, begin, 0.6 * drum)
    return (found * (2 * LEVEL / rms(found.astype(np.float32)))).astype(np.float32)


def items(tape: Tape, num: int, seed: int = 11) -> list[FloatArray]:
    """Jingles, speech, and speech over jingles, in turn."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(num):
        seconds = float(rng.uniform(*ITEM_S))
        music, spoken = tune(rng, seconds), tape.take(int(seconds * SAMPLE_RATE))
        found.append((music, spoken, (0.4 * music + spoken).astype(np.float32))[number % 3])
    return found


def archive(tape: Tape, hours: float, of_each: int, recording_s: float = 3_600.0) -> Iterator[Recording]:
    """Recordings with first broadcasts in the first tenth, and `of_each` airings of each change in the rest."""
    rng = np.random.default_rng(13)
    num = max(round(hours * 3_600 / recording_s), 2)
    firsts = max(num // 10, 1)
    sounds = items(tape, max(of_each * len(CHANGES) // 4, 3))
    plans: list[list[tuple[int, str]]] = [[] for _ in range(num)]
    for item in range(len(sounds)):
        plans[item % firsts].append((item, ""))
    for place, change in enumerate(name for name in CHANGES for _ in range(of_each)):
        plans[firsts + place % (num - firsts)].append((int(rng.integers(len(sounds))), change))
    for number, plan in enumerate(plans):
        yield _recording(number, plan, sounds, tape, recording_s, rng)


def _recording(
    number: int,
    plan: Sequence[tuple[int, str]],
    sounds: Sequence[FloatArray],
    tape: Tape,
    seconds: float,
    rng: np.random.Generator,
) -> Recording:
    parts: list[FloatArray] = []
    airings = []
    planned_s = sum(len(sounds[item]) for item, _ in plan) / SAMPLE_RATE
    gap_s = max(seconds - planned_s, 0.0) / (len(plan) + 1)
    for item, change in plan:
        parts.append(tape.take(int(gap_s * rng.uniform(0.8, 1.2) * SAMPLE_RATE)))
        sound = sounds[item]
        if change:
            above = tape.take(len(sound)) if change.startswith("under") else sound
            sound = CHANGES[change](sound, above, rng).astype(np.float32)
        start_s = sum(map(len, parts)) / SAMPLE_RATE
        airings.append(Airing(item, number, start_s, start_s + len(sound) / SAMPLE_RATE, change))
        parts.append(sound)
    parts.append(tape.take(int(gap_s * SAMPLE_RATE)))
    return Recording(number, np.concatenate(parts), tuple(airings))


def _tone(hertz: float, seconds: float, fading: float, rng: np.random.Generator) -> Wave:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    waves = [
        np.sin(2 * np.pi * hertz * n * times + rng.uniform(0, 6)) / n ** rng.uniform(0.7, 1.6) for n in range(1, 9)
    ]
    return np.asarray(sum(waves) * np.exp(-fading * times) * np.minimum(100 * times, 1))


def _add(to: Wave, begin: int, sound: Wave) -> None:
    end = min(begin + len(sound), len(to))
    to[begin:end] += sound[: end - begin]
