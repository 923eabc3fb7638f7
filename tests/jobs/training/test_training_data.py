"""What is learnt from is looked into once, and what is left out has its reason."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.encoder import SAMPLE_RATE
from embed.errors import SpecError
from jobs.command.progress import Silent
from jobs.training.training_data import check_counts, training_data
from tests.towers import Tiny, encoder_values
from tests.train.lesson import tone
from train.spec import TrainSpec


class Told(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_silent_and_missing_recordings_are_left_out_and_looked_into_once(tiny: Tiny, tmp_path: Path) -> None:
    rows = []
    for number in range(12):
        wave = np.zeros(SAMPLE_RATE, np.float32) if number == 3 else tone(number % 8, number)
        soundfile.write(tmp_path / f"{number}.wav", wave, SAMPLE_RATE)
        part = "dev" if number > 9 else "train"
        rows.append({"audio_filepath": f"{number}.wav", "text": f"text {number}", "lang": "en", "part": part})
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = TrainSpec.parse(
        {
            "encoder": encoder_values(tiny),
            "sources": [{"name": "manifest", "url": str(tmp_path / "own.jsonl")}],
            "optimiser": {"batch": 8},
            "output": "nowhere",
            "work": str(tmp_path / "work"),
        }
    )
    (tmp_path / "5.wav").unlink()
    told = Told()
    found = training_data(spec, told)
    assert found.counts == {"train": 8, "dev": 2, "test": 0}
    assert found.dropped == {"silent": 1, "missing": 1}
    assert [Path(clip.uri).stem for clip in found.lesson.clips] == ["0", "1", "2", "4", "6", "7", "8", "9", "10", "11"]
    assert len(told.notes) == 2  # train and dev
    assert training_data(spec, told) == found
    assert len(told.notes) == 2


def test_too_little_is_refused_with_its_cure(tiny: Tiny) -> None:
    spec = TrainSpec.parse(
        {
            "encoder": encoder_values(tiny),
            "sources": [{"name": "asterisk", "langs": ["fr"]}],
            "optimiser": {"batch": 8},
            "output": "nowhere",
        }
    )
    check_counts(spec, {"train": 8, "dev": 1, "test": 0})
    with pytest.raises(SpecError, match=r"optimiser\.batch = 8, but there are 7 training examples; lower it to 7"):
        check_counts(spec, {"train": 7, "dev": 1, "test": 0})
    with pytest.raises(SpecError, match="there are 1 training examples, at least 2 are required"):
        check_counts(spec, {"train": 1, "dev": 1, "test": 0})
    with pytest.raises(SpecError, match="no example falls into the dev part"):
        check_counts(spec, {"train": 8, "dev": 0, "test": 1})
