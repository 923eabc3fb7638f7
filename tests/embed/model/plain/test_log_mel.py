"""Log-mel frames in plain torch: those of `transformers` to the bit, or None."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import WhisperFeatureExtractor

from embed.model.plain.log_mel import LogMel, mel_filters, plain_log_mel


@pytest.mark.parametrize("mels", [80, 128])
def test_its_filters_are_those_of_transformers(mels: int) -> None:
    assert np.array_equal(mel_filters(201, mels), WhisperFeatureExtractor(feature_size=mels).mel_filters)


@pytest.mark.parametrize("samples", [4800, 16_000, 50_007])
def test_its_frames_are_those_of_transformers(tmp_path: Path, samples: int) -> None:
    theirs = WhisperFeatureExtractor()
    theirs.save_pretrained(tmp_path)
    ours = plain_log_mel(tmp_path)
    assert ours is not None
    wave = (0.1 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)
    expected = theirs(wave, sampling_rate=16_000, padding=False, truncation=False)["input_features"][0]
    assert np.array_equal(ours(wave)["input_features"][0], expected)


def test_silence_has_frames_too() -> None:
    assert np.isfinite(LogMel()(np.zeros(16_000, np.float32))["input_features"][0]).all()


@pytest.mark.parametrize(
    "changes", [{"feature_extractor_type": "Wav2Vec2FeatureExtractor"}, {"sampling_rate": 8000}, {"dither": 0.1}]
)
def test_another_kind_is_left_to_transformers(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert plain_log_mel(tmp_path) is None
    WhisperFeatureExtractor().save_pretrained(tmp_path)
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert plain_log_mel(tmp_path) is None
