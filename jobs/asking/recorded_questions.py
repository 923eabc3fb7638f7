"""Recordings of questions, decoded and checked."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from embed.audio.decode import decode
from embed.encoder import SHORTEST_S, FloatArray
from embed.errors import InputError
from index.ask.questions import Decode

if TYPE_CHECKING:  # torch takes seconds to import: whoever encodes loads it
    from embed.model.weights import Model

SILENT = 1e-3  # peak; -60 dB, below the hiss of any microphone that somebody spoke into


def decoder_for(model: "Model") -> Decode | None:
    """Reads recordings as long as the model takes; None where it encodes text alone."""
    return None if model.longest_s is None else partial(question_samples, longest_s=model.longest_s)


def question_samples(url: str, longest_s: float) -> FloatArray:
    """The whole recording at 16 kHz.  Raises InputError where it is too long, too short or silent."""
    sound = decode(url, end_s=longest_s + 1)  # a day of radio is refused after half a minute of it
    if sound.decoded_s > longest_s:
        raise InputError(f"{url}: a spoken question may last {longest_s:.1f} s, this is longer; cut the question out")
    if sound.decoded_s < SHORTEST_S:
        raise InputError(f"{url}: {sound.decoded_s:.3f} s are too short for a question; record at least one word")
    if np.abs(sound.samples).max() < SILENT:
        raise InputError(f"{url}: silence alone; record the question again, or raise the recording's level")
    return sound.samples
