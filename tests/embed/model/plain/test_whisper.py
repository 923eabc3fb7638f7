"""Whisper's encoder in plain torch: the states of `transformers` to the bit, or None."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embed.model.plain.whisper import plain_whisper
from embed.model.spec import SpeechTowerSpec
from embed.model.towers.speech import SpeechTower
from tests.towers import towers_in

Tiny = Callable[[str], str]


def waves(*seconds: float) -> list[Any]:
    rng = np.random.default_rng(0)
    return [(0.1 * rng.standard_normal(int(16_000 * one))).astype(np.float32) for one in seconds]


@pytest.mark.parametrize("seconds", [(1.3,), (0.5, 2.0, 0.07)], ids=["alone", "padded"])
def test_its_frames_are_those_of_transformers(tiny: Tiny, seconds: tuple[float, ...]) -> None:
    spec = SpeechTowerSpec.parse({"name": tiny("whisper")})
    ours, other = SpeechTower.load(spec, plain=True), SpeechTower.load(spec)
    assert type(ours.model).__module__ == "embed.model.plain.whisper"
    with torch.inference_mode():
        (found, lengths), (expected, same) = ours(waves(*seconds)), other(waves(*seconds))
    assert torch.equal(lengths, same)
    assert torch.equal(found, expected)
    assert (ours.width, ours.depth, ours.longest_s) == (other.width, other.depth, other.longest_s)
    assert dict(ours.model.state_dict()).keys() == dict(other.model.state_dict()).keys()


@pytest.mark.parametrize(
    "changes", [{"activation_function": "relu"}, {"model_type": "hubert"}, {"scale_embedding": True}, {"d_model": None}]
)
def test_another_kind_is_left_to_transformers(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = Path(towers_in(tmp_path)("whisper"))
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | changes))
    assert plain_whisper(folder) is None
