"""What is loaded through `transformers`, and what its versions call differently."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import WhisperModel

from embed.errors import SpecError
from embed.model.towers import pretrained
from embed.model.towers.pretrained import config_of, decoded, recogniser_model, speech_model, structure_of, text_model

Tiny = Callable[[str], str]


def test_a_decoder_goes_on_with_its_cache(tiny: Tiny) -> None:
    decoder = WhisperModel.from_pretrained(tiny("whisper")).eval().decoder
    ids, states = torch.tensor([[1, 5, 9]]), torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole, _ = decoded(decoder, ids, states)
        _, cache = decoded(decoder, ids[:, :2], states)
        last, _ = decoded(decoder, ids[:, 2:], states, cache)
    assert torch.allclose(last.last_hidden_state[:, -1], whole.last_hidden_state[:, -1], atol=1e-5)


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_the_cache_has_the_name_of_the_version(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given: dict[str, Any] = {}

    def decoder(**options: Any) -> Any:
        given.update(options)
        return SimpleNamespace(**{name: "new"})

    monkeypatch.setattr(pretrained, "CACHE", name)
    assert decoded(decoder, 1, 2, "old")[1] == "new"
    assert given == {"input_ids": 1, "encoder_hidden_states": 2, "use_cache": True, name: "old"}


def test_a_structure_has_the_sizes_of_the_checkpoint(tiny: Tiny) -> None:
    found, (whole, _) = structure_of(tiny("hubert")), speech_model(tiny("hubert"))
    assert found.config.hidden_size == config_of(tiny("hubert")).hidden_size == 32
    assert sum(one.numel() for one in found.parameters()) == sum(one.numel() for one in whole.parameters())


@pytest.mark.parametrize(
    ("load", "what"),
    [
        (text_model, "text tower"),
        (speech_model, "speech tower"),
        (lambda name: recogniser_model(name, by_letters=False), "speech recogniser"),
        (lambda name: config_of(name, "tower"), "tower"),
    ],
    ids=["text", "speech", "recogniser", "config"],
)
def test_what_cannot_be_loaded_is_named(tmp_path: Any, load: Callable[[str], Any], what: str) -> None:
    with pytest.raises(SpecError, match=f"^{what} '.*' cannot be loaded: "):
        load(str(tmp_path))
