"""Utterances of synthetic speech: a text with its engine, voice, speed and pitch."""

import random
from dataclasses import dataclass
from typing import Literal, Protocol

from embed.encoder import FloatArray

Engine = Literal["pico", "kokoro"]

# Language -> the engine of each rendition.  Pico is some ten times as fast, Kokoro sounds better.
ENGINES: dict[str, tuple[Engine, ...]] = {
    **dict.fromkeys(("fr", "es", "en", "it"), ("pico", "kokoro", "pico")),
    "de": ("pico", "pico"),
    **dict.fromkeys(("bg", "el", "be"), ("kokoro", "kokoro", "kokoro")),
}
LANGS = tuple(ENGINES)
# A~B is the mean of two voices.  Kokoro has no voice for bg, el or be: a recogniser understands Spanish ones best
# (2026-11-23: 37 % of letters wrong in be, against 30 % of a recorded speaker's).
VOICES: dict[tuple[Engine, str], tuple[str, ...]] = {
    ("pico", "fr"): ("fr-FR",),
    ("pico", "es"): ("es-ES",),
    ("pico", "en"): ("en-US", "en-GB"),
    ("pico", "it"): ("it-IT",),
    ("pico", "de"): ("de-DE",),
    ("kokoro", "fr"): ("ff_siwis", "ff_siwis~em_alex", "ff_siwis~if_sara", "ff_siwis~im_nicola", "ff_siwis~am_michael"),
    ("kokoro", "es"): ("ef_dora", "em_alex", "em_santa", "ef_dora~em_alex", "ef_dora~if_sara", "pf_dora", "pm_alex"),
    ("kokoro", "en"): (
        "af_heart",
        "af_bella",
        "af_sarah",
        "am_michael",
        "am_fenrir",
        "am_puck",
        "bf_emma",
        "bm_george",
    ),
    ("kokoro", "it"): ("if_sara", "im_nicola", "if_sara~im_nicola"),
    **{("kokoro", lang): ("ef_dora", "em_alex", "ef_dora~em_alex") for lang in ("bg", "el", "be")},
}
SLOWEST, FASTEST = 0.85, 1.15
LOWEST, HIGHEST = 0.75, 1.25


@dataclass(frozen=True)
class Utterance:
    """A text with its engine and voice.  `speed` and `pitch` are factors; only Pico uses `pitch`."""

    text: str
    lang: str
    engine: Engine
    voice: str
    speed: float = 1.0
    pitch: float = 1.0


class Speaker(Protocol):
    """A loaded engine.  Its wave of an utterance depends on that utterance alone."""

    def speak(self, utterance: Utterance) -> FloatArray:
        """A 1-d wave at 16 kHz, silence included; empty where the engine produced no sound."""


def draw_utterance(key: str, lang: str, text: str, rendition: int) -> Utterance | None:
    """Engine, voice, speed and pitch of this text's `rendition`, from 0; None where the language has fewer.

    Always the same for a key, a language and a rendition.  Two renditions by an engine are in two of its voices.
    """
    engines = ENGINES[lang]
    if rendition >= len(engines):
        return None
    engine = engines[rendition]
    voices = random.Random(f"{key}|{lang}|{engine}").sample(VOICES[engine, lang], len(VOICES[engine, lang]))
    chance = random.Random(f"{key}|{lang}|{rendition}")
    speed = round(chance.uniform(SLOWEST, FASTEST), 2)
    # Half of Pico's utterances keep the pitch of the voice.
    pitch = round(chance.choice((1.0, chance.uniform(LOWEST, HIGHEST))), 2) if engine == "pico" else 1.0
    voice = voices[engines[:rendition].count(engine) % len(voices)]
    return Utterance(text.replace("’", "'"), lang, engine, voice, speed, pitch)
