"""Recordings of questions, decoded and checked."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np

from embed.encoder import SHORTEST_S, FloatArray
from embed.errors import InputError

SILENT = 1e-3  # peak; -60 dB, below the noise of any microphone in use


class SpeechLimit(Protocol):
    """An encoder that knows the longest recording it takes."""

    @property
    def longest_s(self) -> float | None:
        """Seconds; None where it encodes text alone."""


def decoder_for(encoder: SpeechLimit) -> Callable[[str], FloatArray] | None:
    """Reader of recordings up to the longest that the encoder takes; None where it encodes text alone.

    >>> import deglu
    >>> decode = deglu.decoder_for(deglu.load_encoder("model"))
    >>> decode("archive/voice.wav").dtype.name
    'float32'
    """
    return None if encoder.longest_s is None else partial(question_samples, longest_s=encoder.longest_s)


def question_samples(url: str, longest_s: float) -> FloatArray:
    """The whole recording at 16 kHz.  Raises InputError where it is too long, too short or silent."""
    from embed.audio.decode import decode  # loads the libraries of sound, which a typed question does not need

    sound = decode(url, end_s=longest_s + 1)  # a day of radio is refused after half a minute
    if sound.decoded_s > longest_s:
        raise InputError(f"{url}: a spoken question may last {longest_s:.1f} s, this is longer; cut it to the question")
    if sound.decoded_s < SHORTEST_S:
        raise InputError(f"{url}: {sound.decoded_s:.3f} s is too short for a question; record at least one word")
    if np.abs(sound.samples).max() < SILENT:
        raise InputError(f"{url}: the recording is silent; record the question again, or raise its level")
    return sound.samples
