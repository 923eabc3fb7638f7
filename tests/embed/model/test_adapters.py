"""Adapters and open layers: they change speech alone, start from nothing, and end as plain layers."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from embed.errors import InputError, SpecError
from embed.model.adapters import add_lora, layers_state, lora_state, merge, put, shared_places, twin, unfreeze
from embed.model.joint import JointEncoder
from embed.model.spec import EncoderSpec, LoraSpec, SpeechTowerSpec
from embed.model.towers.speech import SpeechTower
from embed.model.weights import assemble
from tests.towers import encoder_values
from train.strategy import trained

Tiny = Callable[[str], str]
TARGETS = {"bert": ["query", "value"], "qwen3": ["q_proj", "v_proj"]}
WAVES = [np.sin(np.arange(n, dtype=np.float32) / 9) for n in (8000, 5000)]
LORA = LoraSpec(rank=2, alpha=8.0, targets=("q_proj", "v_proj"))


def made(tiny: Tiny, adapt: dict[str, Any], text: str = "qwen3", speech: str = "hubert", **tower: Any) -> JointEncoder:
    torch.manual_seed(1)
    values = encoder_values(tiny, text, speech) | {"adapt": adapt}
    values["speech"] |= tower
    return assemble(EncoderSpec.parse(values)).eval()


def tower_of(tiny: Tiny, kind: str) -> SpeechTower:
    return SpeechTower.load(SpeechTowerSpec.parse({"name": tiny(kind)}))


def grow(model: nn.Module) -> None:
    """As if trained: random values for all that is."""
    with torch.no_grad():
        for value in trained(model).values():
            value.add_(torch.randn_like(value), alpha=0.2)


@pytest.mark.parametrize("text", ["qwen3", "bert"])
def test_a_twin_is_another_structure_over_the_same_weights(tiny: Tiny, text: str) -> None:
    model = made(tiny, {}, text).text.model
    other = twin(model)
    assert {id(one) for one in other.parameters()} == {id(one) for one in model.parameters()}
    place = next(name for name in shared_places(model, other) if isinstance(model.get_submodule(name), nn.Linear))
    put(other, place, nn.Identity())
    assert isinstance(model.get_submodule(place), nn.Linear)
    assert place not in shared_places(model, other)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["qwen3", "bert"])
def test_adapters_of_the_text_tower_change_speech_and_no_text(tiny: Tiny, text: str) -> None:
    plain, adapted = made(tiny, {}, text), made(tiny, {"text": {"targets": TARGETS[text], "rank": 2}}, text)
    assert adapted.fusion is not None
    assert plain.fusion is not None
    adapted.fusion.load_state_dict(plain.fusion.state_dict())
    texts = ["rain", "the price of rice"]
    assert np.array_equal(adapted.encode(texts, "query"), plain.encode(texts, "query"))
    # Fresh adapters add nothing.
    assert np.allclose(adapted.encode(WAVES, "query"), plain.encode(WAVES, "query"), atol=1e-6)
    grow(adapted)
    assert np.array_equal(adapted.encode(texts, "query"), plain.encode(texts, "query"))
    assert np.abs(adapted.encode(WAVES, "query") - plain.encode(WAVES, "query")).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("speech", ["hubert", "whisper", "wav2vec2", "w2v-bert"])
def test_what_is_trained_gets_a_gradient_and_nothing_else_does(tiny: Tiny, speech: str) -> None:
    targets = ["linear_q", "linear_v"] if speech == "w2v-bert" else ["q_proj", "v_proj"]
    layers = [1] if speech == "whisper" else [1, 2]  # the last one is not in use: nothing of it may be trained
    adapt = {"text": {"targets": ["q_proj"]}, "speech": {"targets": targets}, "unfreeze": 1}
    model = made(tiny, adapt, speech=speech, layers=layers).train()
    waves = nn.utils.rnn.pad_sequence([torch.from_numpy(wave) for wave in WAVES], batch_first=True)
    vectors = model(waves, torch.tensor([len(wave) for wave in WAVES]), "query")
    vectors[:, 0].sum().backward()
    wanted = trained(model)
    assert {name.split(".")[0] for name in wanted} == {"fusion", "spoken", "speech"}
    # Key biases shift all scores of a query alike: their gradient is zero but for rounding, and is there.
    assert [name for name, value in wanted.items() if value.grad is None] == []
    assert [
        name for name, value in model.named_parameters() if not value.requires_grad and value.grad is not None
    ] == []


def test_waves_give_the_vectors_of_their_frames(tiny: Tiny) -> None:
    model = made(tiny, {})
    waves = nn.utils.rnn.pad_sequence([torch.from_numpy(wave) for wave in WAVES], batch_first=True)
    with torch.inference_mode():
        found = model(waves, torch.tensor([len(wave) for wave in WAVES]), "query").numpy()
    assert np.allclose(found, model.encode(WAVES, "query"), atol=1e-6)


@pytest.mark.parametrize("speech", ["hubert", "whisper"])
def test_a_merged_tower_is_the_adapted_one(tiny: Tiny, speech: str) -> None:
    torch.manual_seed(0)
    adapted, plain = tower_of(tiny, speech), tower_of(tiny, speech)
    add_lora(adapted.model, LORA)
    grow(adapted)
    before = plain(WAVES)[0]
    merge(plain.model, lora_state(adapted.model), LORA)
    with torch.inference_mode():
        expected, merged = adapted(WAVES)[0], plain(WAVES)[0]
    assert torch.allclose(merged, expected, atol=1e-4)
    assert (merged - before).abs().max() > 0.05
    assert not any("lora" in name for name, _ in plain.named_modules())


def test_the_layers_that_are_kept_are_the_last_in_use(tiny: Tiny) -> None:
    model = tower_of(tiny, "hubert").model
    add_lora(model, LORA)
    unfreeze(model, 1, depth=2)
    kept = layers_state(model, 1, depth=2)
    assert all(name.startswith("encoder.layers.1.") for name in kept)
    assert not any("lora" in name or "base_layer" in name for name in kept)
    assert "encoder.layers.1.attention.q_proj.weight" in kept


def test_what_cannot_be_trained_is_refused_with_the_cure(tiny: Tiny) -> None:
    tower = tower_of(tiny, "hubert").model
    with pytest.raises(SpecError, match=r"ends in query or value; .*k_proj.*q_proj"):
        add_lora(tower, LoraSpec.parse({}))
    with pytest.raises(SpecError, match="4 layers cannot be trained, only 3 are in use"):
        unfreeze(tower, 4)
    with pytest.raises(SpecError, match="WavLM"):
        add_lora(tower_of(tiny, "wavlm").model, LORA)
    with pytest.raises(InputError, match="no linear layer elsewhere"):
        merge(tower, {"elsewhere.down": torch.ones(2, 2), "elsewhere.up": torch.ones(2, 2)}, LORA)
    name = "encoder.layers.0.attention.q_proj"
    with pytest.raises(InputError, match="must have rank 2, 32 to 32"):
        merge(tower, {f"{name}.down": torch.ones(3, 32), f"{name}.up": torch.ones(32, 3)}, LORA)


def test_without_peft_the_cure_is_told(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(SpecError, match=r"pip install -e '\.\[lora\]'"):
        made(tiny, {"text": {"targets": ["q_proj"]}})
