"""Files of checkpoints: JSON that may be missing, and weights that are given whole or not at all."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from embed.model.plain.checkpoint import embedding, fill, read_json, settings


def test_json_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "cut.json").write_text('{"a"')
    (tmp_path / "good.json").write_text('{"a": 1}')
    found = [read_json(tmp_path / f"{name}.json") for name in ("gone", "list", "cut", "good")]
    assert found == [None, None, None, {"a": 1}]


def test_settings_have_what_is_needed_and_what_is_fixed() -> None:
    found = settings({"width": 8}, ("width",), {"act": "gelu"})
    assert found is not None
    assert (found.width, found.act) == (8, "gelu")
    assert settings({"width": 8, "act": "relu"}, ("width",), {"act": "gelu"}) is None
    assert settings({}, ("width",), {}) is None


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_model_gets_its_weights_as_float32(tmp_path: Path, prefix: str) -> None:
    values = {"weight": torch.arange(6.0).view(2, 3).half(), "bias": torch.ones(2)}
    save_file(
        {prefix + name: value for name, value in values.items()} | {"more": torch.ones(1)},
        tmp_path / "model.safetensors",
    )
    model = nn.Linear(3, 2, device="meta")
    assert fill(model, tmp_path, ("", "model."))
    assert torch.equal(model.weight, values["weight"].float())
    assert not model.training
    assert not model.weight.requires_grad
    other = nn.Linear(4, 2, device="meta")
    assert not fill(other, tmp_path, ("", "model."))
    assert other.weight.is_meta


def test_a_table_is_made_without_random_numbers() -> None:
    with torch.device("meta"):
        assert embedding(5, 3).weight.shape == (5, 3)
