"""SVOX Pico, a small parametric engine of 2009 that speaks six languages some fifty times as fast as a person."""

import os
from collections.abc import Callable
from importlib import import_module

import numpy as np

from embed.encoder import FloatArray
from embed.errors import DataUnavailable
from train.curate.synthesis.installed import CURE, version_of
from train.curate.synthesis.utterance import Utterance

FULL_SCALE = 1 << 15


def identity() -> str:
    """Raises DataUnavailable."""
    return f"py-nanotts {version_of('py-nanotts')}"


class Pico:
    def __init__(self) -> None:
        try:
            # An optional package with a library of its own, opened by this door alone.
            self._engine = import_module("py_nanotts").NanoTTS()
        except ImportError as error:
            raise DataUnavailable(f"the package py-nanotts cannot be opened ({error}); {CURE}") from None

    def speak(self, utterance: Utterance) -> FloatArray:
        # The engine's noise goes on from one utterance to the next: each is spoken by a child that has said nothing.
        pcm = _in_a_child(lambda: self._said(utterance))
        return np.asarray(np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2") / FULL_SCALE, np.float32)

    def _said(self, how: Utterance) -> bytes:
        return bytes(self._engine.speak(how.text, voice=how.voice, speed=how.speed, pitch=how.pitch))


def _in_a_child(act: Callable[[], bytes]) -> bytes:
    """What `act` gives in a fork of this process; nothing where it fails or dies."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(act())
            status = 0
        finally:
            os._exit(status)  # None of the parent's ends is tidied up twice.
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return said if status == 0 else b""
