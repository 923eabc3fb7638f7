"""Speech recognition for the hybrid encoder and the cascade: waves in, transcripts out.

It runs any Whisper, and any CTC model of a family that the speech tower supports, by name, through `transformers`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from embed.encoder import SAMPLE_RATE, SHORTEST_S, FloatArray
from embed.errors import InputError, SpecError
from embed.model.recognition.ctc import CtcWords
from embed.model.recognition.whisper import WhisperWords, Written
from embed.model.spec import Precision
from embed.model.towers.budget import out_of_memory
from embed.model.towers.precision import effective_precision, prepare_inference
from embed.model.towers.pretrained import config_of, recogniser_model
from embed.model.towers.speech_families import known_family

# Seconds of speech in one batch, padding included; on a CPU as much as its caches hold.
SECONDS_AT_ONCE = {"cpu": 120.0, "cuda": 960.0}


@dataclass(frozen=True)
class Transcript:
    """The text of a wave, in one or several hypotheses."""

    texts: tuple[str, ...]  # hypotheses, the likeliest first; at least one
    lang: str  # as given or detected; empty where the model does not know it
    log_prob: float  # mean natural logarithm of the likeliest's tokens' probabilities: near 0 is sure

    @property
    def text(self) -> str:
        return self.texts[0]


class Transcriber(Protocol):
    """Protocol of one architecture: waves to tokens."""

    @property
    def langs(self) -> tuple[str, ...]:
        """The languages that it can be set to."""

    @property
    def longest_s(self) -> float: ...

    def padded_s(self, seconds: float) -> float:
        """Length after padding; clips with equal lengths may share a batch."""

    def write(self, waves: Sequence[FloatArray], langs: Sequence[str], hypotheses: int) -> list[list[Written]]: ...

    def text(self, written: Written) -> str: ...


class Recogniser:
    """A speech recogniser; the transcript of a wave does not depend on other waves of the batch."""

    def __init__(
        self, name: str, transcriber: Transcriber, langs: Sequence[str] = (), seconds_at_once: float = 120.0
    ) -> None:
        self.name = name
        self.langs = tuple(langs)
        self._transcriber = transcriber
        self._seconds_at_once = seconds_at_once
        self._check(self.langs)

    @classmethod
    def load(
        cls, name: str, langs: Sequence[str] = (), device: str = "cpu", precision: Precision = "float32"
    ) -> "Recogniser":
        """By name, for one of `langs`, or for any that it knows.  Raises SpecError with the cure."""
        transcriber = _loaded(name, device, precision)
        return cls(name, transcriber, langs, SECONDS_AT_ONCE["cuda" if device.startswith("cuda") else "cpu"])

    @property
    def known(self) -> tuple[str, ...]:
        """All languages that it can be set to; empty where it has only one, without a name."""
        return self._transcriber.langs

    def transcribe(
        self, waves: Sequence[FloatArray], langs: Sequence[str] | None = None, hypotheses: int = 1
    ) -> list[Transcript]:
        """The transcript of each wave (1-d, 16 kHz), in the order given.  A wave that is too long is split into parts.

        A single language is used as given; of several, or of all, the likeliest is detected for each wave.
        `hypotheses` is the number of transcripts of each wave (beam search); a CTC model has one.
        Raises InputError for an unfit wave, SpecError for an unknown language.
        """
        spoken = self.langs if langs is None else tuple(langs)
        self._check(spoken)
        parts = [(i, part) for i, wave in enumerate(waves) for part in self._parts(wave)]
        found = self._transcripts([part for _, part in parts], spoken, hypotheses)
        by_wave: list[list[Transcript]] = [[] for _ in waves]
        for (i, _), transcript in zip(parts, found, strict=True):
            by_wave[i].append(transcript)
        return [_joined(some) for some in by_wave]

    def _parts(self, wave: FloatArray) -> list[FloatArray]:
        """Equal parts that are no longer than the model takes."""
        if len(wave) < SHORTEST_S * SAMPLE_RATE or not np.isfinite(wave).all():
            raise InputError(f"a wave must be at least {SHORTEST_S} s long and finite")
        count = -(-len(wave) // int(self._transcriber.longest_s * SAMPLE_RATE))
        return [wave] if count == 1 else np.array_split(wave, count)

    def _transcripts(self, waves: Sequence[FloatArray], langs: Sequence[str], hypotheses: int) -> list[Transcript]:
        found: list[Transcript | None] = [None] * len(waves)
        with torch.inference_mode():
            for group in self._groups([len(wave) / SAMPLE_RATE for wave in waves], self._seconds_at_once / hypotheses):
                for i, written in zip(group, self._written([waves[i] for i in group], langs, hypotheses), strict=True):
                    texts = tuple(self._transcriber.text(one) for one in written)
                    found[i] = Transcript(texts, written[0].lang, written[0].log_prob)
        return [transcript for transcript in found if transcript is not None]

    def _groups(self, seconds: Sequence[float], at_once: float) -> list[list[int]]:
        """Positions, longest first; each group of one padded length and within `at_once` seconds."""
        groups: list[list[int]] = []
        last: float | None = None
        for i in sorted(range(len(seconds)), key=lambda i: (-seconds[i], i)):
            padded = self._transcriber.padded_s(seconds[i])
            longest = max(padded, seconds[groups[-1][0]]) if groups else 0.0
            if padded != last or longest * (len(groups[-1]) + 1) > at_once:
                groups.append([])
            groups[-1].append(i)
            last = padded
        return groups

    def _written(self, waves: Sequence[FloatArray], langs: Sequence[str], hypotheses: int) -> list[list[Written]]:
        """Tokens of the waves, half of them at a time where memory is too small."""
        try:
            return self._transcriber.write(waves, langs, hypotheses)
        except RuntimeError as error:
            if len(waves) == 1 or not out_of_memory(error):
                raise
        middle = len(waves) // 2
        return [*self._written(waves[:middle], langs, hypotheses), *self._written(waves[middle:], langs, hypotheses)]

    def _check(self, langs: Sequence[str]) -> None:
        unknown = [lang for lang in langs if self.known and lang not in self.known]
        if unknown:
            raise SpecError(f"{self.name} does not know {', '.join(unknown)}; it knows {', '.join(self.known)}")


def _joined(parts: Sequence[Transcript]) -> Transcript:
    """Hypotheses joined by rank; a part with fewer hypotheses repeats its last."""
    if len(parts) == 1:
        return parts[0]
    mean = sum(part.log_prob for part in parts) / len(parts)
    hypotheses = max(len(part.texts) for part in parts)
    found = ([part.texts[min(place, len(part.texts) - 1)] for part in parts] for place in range(hypotheses))
    return Transcript(tuple(" ".join(text for text in texts if text) for texts in found), parts[0].lang, mean)


def _loaded(name: str, device: str, precision: Precision) -> Transcriber:
    what = "speech recogniser"
    family = known_family(what, name, config_of(name, what))
    model, *tools = recogniser_model(name, by_letters=not family.has_decoder)
    model = model.to(device).eval().requires_grad_(False)
    transcriber: Transcriber = (WhisperWords if family.has_decoder else CtcWords)(model, *tools)
    prepare_inference(model, effective_precision(precision, device))
    return transcriber
