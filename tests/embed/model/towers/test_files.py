"""A tower's files: none is made up, and a digest follows the bytes on the disk."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from embed.errors import SpecError
from embed.model.spec import SpeechTowerSpec
from embed.model.towers.files import tower_digest, tower_place
from embed.model.towers.speech import SpeechTower
from tests.towers import towers_in


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    name = towers_in(tmp_path)("hubert")
    spec, path = SpeechTowerSpec.parse({"name": name}), Path(name) / "model.safetensors"
    tensors = load_file(path)
    # No checkpoint needs this one: it stands for frames that are hidden in training.
    save_file({key: value for key, value in tensors.items() if key != "masked_spec_embed"}, path)
    SpeechTower.load(spec)
    save_file({key: value for key, value in tensors.items() if "layers.1.attention.q_proj.weight" not in key}, path)
    with pytest.raises(SpecError, match=r"lacks 1 of its weights, .*layers\.1\.attention\.q_proj\.weight"):
        SpeechTower.load(spec)


def test_a_tower_is_its_weights_and_settings_not_how_they_were_written(tmp_path: Path) -> None:
    name = towers_in(tmp_path)("bert")
    before, config = tower_digest(name), Path(name) / "config.json"
    values = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps(values | {"transformers_version": "0", "dtype": "float16"}), encoding="utf-8")
    assert tower_digest(name) == before
    config.write_text(json.dumps(values | {"hidden_act": "relu"}), encoding="utf-8")
    assert tower_digest(name) != before


def test_an_adapter_is_no_tower(tiny: Callable[[str], str], tmp_path: Path) -> None:
    assert tower_place(tiny("bert")) == tiny("bert")
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SpecError, match="merge it with peft"):
        tower_place(str(tmp_path))
