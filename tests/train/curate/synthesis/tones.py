"""Speakers that need no engine: for what is kept, counted and shared between processes."""

import os
import signal

import numpy as np

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import DataUnavailable
from train.curate.synthesis.utterance import Utterance


class Tone:
    """A tenth of a second a letter, at `pitch` times 440 Hz; nothing for "..."."""

    def speak(self, utterance: Utterance) -> FloatArray:
        times = np.arange(len(utterance.text) * SAMPLE_RATE // 10) / SAMPLE_RATE
        wave = np.sin(2 * np.pi * 440 * utterance.pitch * times) * (utterance.text != "...")
        return np.asarray(wave, np.float32)


class Missing(Tone):
    def __init__(self) -> None:
        raise DataUnavailable("the package tone is not installed; pip install tone")


class Killed(Tone):
    """Dies of the word "die"."""

    def speak(self, utterance: Utterance) -> FloatArray:
        if utterance.text == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().speak(utterance)
