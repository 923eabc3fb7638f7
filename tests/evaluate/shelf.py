"""Tiny models for the systems, three clips, and specs over them."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from safetensors.torch import save_file

from embed.model.folder import HybridSpec
from embed.model.handle import resolve_model
from embed.model.hybrid import save_hybrid
from embed.model.weights import load_joint
from evaluate.spec import EvaluateSpec
from tests.recognisers import whisper_in
from tests.towers import Tiny, encoder_values, model_in
from train.curate.clip import Clip
from train.strategies.ridge import RIDGE


def shelf_in(folder: Path, tiny: Tiny) -> Path:
    """A model with its ridge, a hybrid of it, two duals, a model of other dims, a recogniser."""
    values = encoder_values(tiny)
    model_in(folder / "model", values)
    width = load_joint(resolve_model(str(folder / "model"))).speech.width  # type: ignore[union-attr]
    weights = {"centre": torch.zeros(width), "scale": torch.ones(width)}
    weights |= {"weights": torch.randn(width, 32), "bias": torch.zeros(32)}
    save_file(weights, folder / "model" / RIDGE)
    head = {**{key: value for key, value in values.items() if key != "fusion"}, "head": {"frame_pool": 2}}
    model_in(folder / "dual", head)
    model_in(folder / "apart", head | {"head": {"independent": True}})
    model_in(folder / "other", head | {"dims": [32, 16]})
    save_hybrid(
        HybridSpec.parse(
            {"model": "../model", "asr": whisper_in(folder / "ears"), "langs": ["fr"], "weight": 0.5, "hypotheses": 2}
        ),
        folder / "hybrid",
    )
    return folder


def clips_in(folder: Path) -> list[Clip]:
    """Three noises; of one nobody knows the language."""
    noise = np.random.default_rng(3)
    found = []
    for i, lang in enumerate(["fr", "fr", "tlh"]):
        path = folder / f"{i}.wav"
        soundfile.write(path, noise.normal(0, 0.1, 12_000 + 4_000 * i), 16_000)
        found.append(Clip("ast", f"ast:{i}", lang, "abc"[i], str(path), {lang: "abc"[i]}))
    return found


def spec_of(shelf: Path, model: str, systems: list[str], **changes: Any) -> EvaluateSpec:
    values = {"model": str(shelf / model), "systems": systems, "output": "out", "keep": False}
    task = {"benchmark": "asterisk", "query_lang": "fr", "document_lang": "en"}
    return EvaluateSpec.parse(values | {"tasks": [task]} | changes)
