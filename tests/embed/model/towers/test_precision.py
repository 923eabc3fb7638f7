"""Towers in bfloat16: near to float32 for every family, and only where the hardware multiplies it."""

import numpy as np
import pytest
import torch

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.model.handle import resolve_model
from embed.model.spec import SpeechTowerSpec
from embed.model.towers.precision import effective_precision, has_bfloat16, prepare_inference
from embed.model.towers.speech import SpeechTower
from embed.model.weights import load_model
from tests.towers import SPEECH_MAKERS, Tiny


def noise(*seconds: float) -> list[FloatArray]:
    random = np.random.default_rng(3)
    return [random.normal(0.01, 0.1, int(s * SAMPLE_RATE)).astype(np.float32) for s in seconds]


def test_auto_is_what_the_hardware_has(monkeypatch: pytest.MonkeyPatch) -> None:
    for capabilities, expected in (
        ({"avx512_bf16": True}, "bfloat16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bfloat16"),
        ({"avx2": True}, "float32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        assert effective_precision("auto", "cpu") == expected
        assert effective_precision("float32", "cpu") == "float32"
        assert effective_precision("bfloat16", "cpu") == "bfloat16"


def test_an_older_torch_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_bfloat16("cpu")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", list(SPEECH_MAKERS))
def test_frames_are_near_those_of_the_plain_tower(tiny: Tiny, kind: str, precision: str) -> None:
    spec, waves = SpeechTowerSpec.parse({"name": tiny(kind)}), noise(0.31, 0.9, 1.237)
    plain, quick = SpeechTower.load(spec), SpeechTower.load(spec)
    prepare_inference(quick.model, precision)  # type: ignore[arg-type]
    with torch.inference_mode():
        (want, lengths), (got, same) = plain(waves), quick(waves)
    assert got.dtype == torch.float32
    assert torch.equal(lengths, same)
    assert not got[0, int(lengths[0]) :].any()
    near = torch.cosine_similarity(want, got, dim=-1)[want.any(-1)]
    # Random weights of a wide spread, three layers: harder on bfloat16 than what was trained.
    assert near.min() > (0.97 if precision == "bfloat16" else 0.99999)


@pytest.mark.slow
def test_a_model_is_loaded_in_the_precision_asked_for(tiny_model: str) -> None:
    plain, quick = load_model(resolve_model(tiny_model)), load_model(resolve_model(tiny_model), precision="bfloat16")
    assert (plain.precision, quick.precision) == ("float32", "bfloat16")
    assert load_model(resolve_model(tiny_model), precision="auto").precision == effective_precision("auto", "cpu")
    texts = ["rain", "the price of rice is not what it was", "goal"]
    for batch in (texts, noise(0.4, 1.1, 0.7)):
        want, got = plain.encode(batch, "document"), quick.encode(batch, "document")
        assert got.dtype == np.float32
        assert np.linalg.norm(got, axis=1) == pytest.approx(1, abs=1e-5)
        assert (want * got).sum(1).min() > 0.99
        alone = np.concatenate([quick.encode([one], "document") for one in batch])  # type: ignore[arg-type]
        assert (alone * got).sum(1).min() > 0.999
