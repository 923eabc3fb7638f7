"""Recordings of questions, and every one that is none."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.audio.questions import question_samples
from embed.encoder import SAMPLE_RATE
from embed.errors import InputError


@pytest.mark.parametrize(
    ("seconds", "loudness", "line"),
    [
        (31.0, 0.3, r"a spoken question may last 29\.7 s, this is longer; cut it to the question"),
        (0.01, 0.3, r"0\.010 s is too short for a question; record at least one word"),
        (2.0, 0.0, "the recording is silent; record the question again"),
        (2.0, 0.0005, "the recording is silent"),
    ],
)
def test_a_recording_that_is_no_question_is_named(tmp_path: Path, seconds: float, loudness: float, line: str) -> None:
    path = tmp_path / "q.wav"
    hum = loudness * np.sin(2 * np.pi * 440 * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    soundfile.write(path, hum, SAMPLE_RATE)
    with pytest.raises(InputError, match=f"{path}: {line}"):
        question_samples(str(path), longest_s=29.7)
