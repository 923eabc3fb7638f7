"""SVOX Pico, a small parametric engine of 2009: six languages, some fifty times as fast as a person speaks."""

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
    """Version of the engine.  Raises DataUnavailable where it is not installed."""
    return f"py-nanotts {version_of('py-nanotts')}"


class Pico:
    def __init__(self) -> None:
        try:
            # An optional package with a native library, imported only here.
            self._engine = import_module("py_nanotts").NanoTTS()
        except ImportError as error:
            raise DataUnavailable(f"the package py-nanotts cannot be imported ({error}); {CURE}") from None

    def speak(self, utterance: Utterance) -> FloatArray:
        # The engine's noise depends on earlier utterances: each gets a fork, whose engine has synthesised none yet.
        pcm = _in_child(lambda: self._synthesise(utterance))
        return np.asarray(np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2") / FULL_SCALE, np.float32)

    def _synthesise(self, utterance: Utterance) -> bytes:
        voice, speed, pitch = utterance.voice, utterance.speed, utterance.pitch
        return bytes(self._engine.speak(utterance.text, voice=voice, speed=speed, pitch=pitch))


def _in_child(act: Callable[[], bytes]) -> bytes:
    """Result of `act` in a fork of this process; empty where it fails or is killed."""
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
            os._exit(status)  # Skips the parent's exit handlers.
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        pcm = pipe.read()
    _, status = os.waitpid(child, 0)
    return pcm if status == 0 else b""
