"""The questions of a calibration, encoded by a tiny random model: as that model encodes them when it is asked."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.encoder import SAMPLE_RATE
from embed.errors import InputError, SpecError
from embed.model import weights as directory
from embed.model.handle import ModelHandle, resolve_model
from embed.model.weights import Model, load_model
from jobs.indexing import calibration_questions as index_questions
from jobs.indexing.calibration_questions import encoder_of, read_log
from tests.towers import encoder_values, model_in


def test_the_dataset_model_is_asked_as_a_query(tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, loaded = load_model(resolve_model(tiny_model)), list[str]()

    def load(handle: ModelHandle) -> Model:
        loaded.append(handle.name)
        return model

    monkeypatch.setattr(directory, "load_model", load)
    encode = encoder_of({"model": tiny_model, "lang": "wo"}, model.fingerprints.space)
    assert encode is not None
    assert loaded == []  # until the first question
    assert np.array_equal(encode(["rain", "rice"]), model.encode(["rain", "rice"], "query"))
    encode(["rain"])
    assert loaded == [tiny_model]


@pytest.mark.parametrize(
    ("settings", "space", "line"),
    [
        ({}, "s", "the dataset names no model"),
        ({"model": ""}, None, "the dataset names no model"),
        ({"model": "nosuch"}, None, "model 'nosuch' is neither a released one"),
    ],
)
def test_without_its_model_there_are_no_questions_and_a_reason(
    settings: dict[str, str], space: str | None, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert encoder_of(settings, space) is None
    assert line in caplog.text


def test_another_model_under_the_same_name_is_not_asked(tiny_model: str, caplog: pytest.LogCaptureFixture) -> None:
    assert encoder_of({"model": tiny_model}, "elsewhere") is None
    assert "the dataset in elsewhere" in caplog.text


def test_a_log_is_typed_and_spoken(tiny_model: str, tmp_path: Path) -> None:
    hum = (0.3 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)
    soundfile.write(tmp_path / "q.wav", hum, SAMPLE_RATE, subtype="FLOAT")
    (tmp_path / "log.jsonl").write_text('{"text": "rain"}\n{"audio": "q.wav"}\n{"text": "rice"}\n')
    encode, model = encoder_of({"model": tiny_model}), load_model(resolve_model(tiny_model))
    found = read_log(str(tmp_path / "log.jsonl"), encode)
    assert np.array_equal(found[[0, 2]], model.encode(["rain", "rice"], "query"))
    assert np.allclose(found[1], model.encode([hum], "query")[0], atol=1e-3)


def test_of_a_long_log_an_even_sample_is_taken(
    tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_questions, "MOST", 3)
    texts = ["a", "b", "c", "d", "e"]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    found = read_log(str(tmp_path / "log.jsonl"), encoder_of({"model": tiny_model}))
    assert np.array_equal(found, load_model(resolve_model(tiny_model)).encode(["a", "c", "e"], "query"))


def test_errors_name_the_cure(tiny: Callable[[str], str], tiny_model: str, tmp_path: Path) -> None:
    place = tmp_path / "log.jsonl"
    place.write_text('{"text": "rain"}\n{"audio": "q.wav"}\n')
    with pytest.raises(SpecError, match=rf"questions = {place}: the model .* is not on this machine.*leave"):
        read_log(str(place), None)
    with pytest.raises(InputError, match=r"q\.wav: no such file"):
        read_log(str(place), encoder_of({"model": tiny_model}))
    text_only = encoder_of({"model": model_in(tmp_path / "text", encoder_values(tiny, "bert", None))})
    with pytest.raises(SpecError, match="encodes only text"):
        read_log(str(place), text_only)
    place.write_text("rain\n")
    with pytest.raises(SpecError, match=r"log\.jsonl line 1: not JSON"):
        read_log(str(place), text_only)
