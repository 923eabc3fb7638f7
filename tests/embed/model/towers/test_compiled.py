"""Compiled towers against plain ones, on tiny models of the production's architectures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from embed.encoder import FloatArray
from embed.model.handle import resolve_model
from embed.model.joint import JointEncoder
from embed.model.towers.compiled import compile_layers, repeated
from embed.model.weights import load_model
from evaluate.bench.gpu.production import saved
from evaluate.bench.gpu.sizes import TINY

TEXTS = ["a", "the price of rice", "one two three four five six seven eight", "rain"]


class Graphs:
    """A backend of torch.compile that runs what it gets as it is, and counts it: no C++ compiler is needed."""

    def __init__(self) -> None:
        self.num = 0

    def __call__(self, graph: Any, inputs: Any) -> Callable[..., Any]:
        self.num += 1
        forward: Callable[..., Any] = graph.forward
        return forward


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of HuBERT and Qwen3."""
    return saved(tmp_path_factory.mktemp("production"), TINY)


def waves(*seconds: float) -> list[FloatArray]:
    noise = np.random.default_rng(0)
    return [noise.normal(0, 0.1, int(s * 16_000)).astype(np.float32) for s in seconds]


def loaded(name: str) -> JointEncoder:
    model = load_model(resolve_model(name))
    assert isinstance(model, JointEncoder)
    return model


@pytest.mark.slow
def test_compiled_towers_give_the_same_vectors_by_code_for_all_lengths(name: str) -> None:
    torch.compiler.reset()
    plain, graphs = loaded(name), Graphs()
    compiled = loaded(name).compile_towers(graphs)
    for batch in (TEXTS, TEXTS[1:], [text * 3 for text in TEXTS], waves(0.4, 1.0, 0.7), waves(1.3, 0.9)):
        np.testing.assert_allclose(compiled.encode(batch, "document"), plain.encode(batch, "document"), atol=1e-5)
    # Of each tower for one row or several, with padding or without: neither for each layer nor for each length.
    assert 0 < graphs.num <= 8


def test_the_layers_of_a_tower_are_found(name: str) -> None:
    model = loaded(name)
    assert model.speech is not None
    for tower in (model.text.model, model.speech.model):
        assert len(repeated(tower)) == 2
        assert all(
            any("attention" in type(one).__name__.lower() for one in layer.modules()) for layer in repeated(tower)
        )
    assert compile_layers(nn.Linear(2, 2)) == 0


@pytest.mark.campaign
def test_a_c_compiler_makes_the_same_vectors(name: str) -> None:
    plain, compiled = loaded(name), loaded(name).compile_towers()
    for batch in (TEXTS, waves(0.4, 1.0)):
        np.testing.assert_allclose(compiled.encode(batch, "document"), plain.encode(batch, "document"), atol=1e-4)
