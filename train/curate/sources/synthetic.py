"""Source of synthetic speech of many short texts, only for training: synthesised once, on this machine.

Engines and voices are installed by pip and npm; the texts come with their translations.  No text of an item is in dev
or test of a recorded source.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from embed.errors import DataUnavailable
from train.curate.clip import Clip, duration_s
from train.curate.dropped import Dropped
from train.curate.sources import vocabulary
from train.curate.sources.vocabulary import Entry
from train.curate.synthesis import installed, kokoro, pico
from train.curate.synthesis.speak import PAD_S, Load, OnProgress, file_of, speak
from train.curate.synthesis.utterance import LANGS, Engine, Utterance, draw_utterance

__all__ = ["LANGS", "LICENCES", "Speech", "clips", "installed_engines"]

log = logging.getLogger(__name__)

SOURCE = "syn"
LICENCES = {**vocabulary.LICENCES, **installed.LICENCES}
LONGEST = 120  # characters
NO_SOUND = "synthetic speech: the engine produced no usable sound"
NO_VOICES = "synthetic speech: its voices are not installed"
# Fitted to 26,000 utterances in six languages: estimates duration before synthesis.
SECONDS_A_TEXT, SECONDS_A_LETTER = 0.18, 0.057


@dataclass(frozen=True)
class Speech:
    clips: list[Clip] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


def clips(
    cache: Path,
    langs: Sequence[str],
    texts: Sequence[Entry],
    most: Sequence[int | None] = (None,),
    *,
    on_progress: OnProgress | None = None,
    spoken: bool = True,
    processes: int | None = None,
) -> Speech:
    """The first `most[0]` texts of each language in one voice, the first `most[1]` in another, and so on; None is all.

    Where `spoken` is false nothing is synthesised, and durations are estimates.
    Raises DataUnavailable where an engine is not installed; voices that npm cannot fetch are left out with a warning.
    """
    planned = [(entry, utterance) for lang in langs for entry, utterance in _planned(texts, lang, most)]
    engines, load = installed_engines(cache, {utterance.engine for _, utterance in planned}, spoken)
    out = Speech(dropped=[Dropped(_name(*one), NO_VOICES) for one in planned if one[1].engine not in engines])
    planned = [one for one in planned if one[1].engine in engines]
    folder = cache / "synthetic"
    files = [file_of(utterance, engines[utterance.engine], folder) for _, utterance in planned]
    if spoken:
        speak(dict(zip(files, (one for _, one in planned), strict=True)), folder, load, on_progress, processes)
    for (entry, utterance), file in zip(planned, files, strict=True):
        clip = _clip(entry, utterance, file, spoken)
        if clip is None:
            out.dropped.append(Dropped(_name(entry, utterance), NO_SOUND))
        else:
            out.clips.append(clip)
    return out


def _planned(entries: Sequence[Entry], lang: str, most: Sequence[int | None]) -> list[tuple[Entry, Utterance]]:
    usable = [entry for entry in entries if len(entry.texts.get(lang, "")) in range(1, LONGEST + 1)]
    found = [
        (entry, draw_utterance(entry.key, lang, entry.texts[lang], rendition))
        for rendition, number in enumerate(most)
        for entry in usable[:number]
    ]
    return [(entry, utterance) for entry, utterance in found if utterance is not None]


def installed_engines(cache: Path, required: set[Engine], spoken: bool) -> tuple[dict[Engine, str], dict[Engine, Load]]:
    """Identity of each available engine, and the function that loads it in another process."""
    identities: dict[Engine, str] = {}
    load: dict[Engine, Load] = {}
    if "pico" in required:
        identities["pico"], load["pico"] = pico.identity(), pico.Pico
    if "kokoro" in required:
        identity = kokoro.identity()
        try:
            # A plan downloads nothing.
            voices = installed.kokoro_voices(cache) if spoken else Path()
        except DataUnavailable as error:
            log.warning("synthetic speech without Kokoro's voices; texts that require them are dropped: %s", error)
        else:
            identities["kokoro"], load["kokoro"] = identity, partial(kokoro.Kokoro, voices)
    return identities, load


def _clip(entry: Entry, utterance: Utterance, file: Path, spoken: bool) -> Clip | None:
    size = file.stat().st_size if file.is_file() else None
    if size == 0:
        return None
    text = entry.texts[utterance.lang]
    estimate_s = 2 * PAD_S + (SECONDS_A_TEXT + SECONDS_A_LETTER * len(text)) / utterance.speed
    length_s = estimate_s if size is None else duration_s(file)
    return Clip(
        SOURCE,
        entry.key,
        utterance.lang,
        text,
        str(file),
        entry.texts,
        duration_s=length_s,
        size=size or 0,
        synthetic=True,
    )


def _name(entry: Entry, utterance: Utterance) -> str:
    return f"{entry.key} ({utterance.lang}, {utterance.voice})"
