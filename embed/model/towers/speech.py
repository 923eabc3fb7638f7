"""Frozen speech tower: waves in, the concatenated outputs of its layers out, independent of padding.

Shapes: B batch, T frames, L layers, H the tower's width; frames [B, T, L*H] and lengths [B].
Differences between architectures are in `embed.model.towers.speech_families`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from embed.encoder import SAMPLE_RATE, SHORTEST_S, FloatArray
from embed.errors import InputError, SpecError
from embed.model.spec import SpeechTowerSpec
from embed.model.towers.files import tower_place
from embed.model.towers.speech_families import known_family, plain_tower
from embed.model.towers.transfer import to_device


class SpeechTower(nn.Module):
    """Waves of any lengths to frames; frozen unless a training unfreezes some layers."""

    def __init__(self, spec: SpeechTowerSpec, model: Any, extractor: Any) -> None:
        super().__init__()
        self.spec = spec
        family = known_family("speech tower", spec.name, model.config)
        self.model = family.tower(model).eval().requires_grad_(False)
        self.extractor = extractor
        self._run = family(self.model, extractor)
        depth: int = model.config.num_hidden_layers
        self.layers = spec.layers if spec.layers is not None else tuple(range(1, depth + 1))
        if not self.layers or min(self.layers) < 1 or max(self.layers) > depth:
            raise SpecError(f"speech tower {spec.name!r} has layers 1 to {depth}, not {list(self.layers)}")
        self.width: int = model.config.hidden_size * len(self.layers)

    @classmethod
    def load(cls, spec: SpeechTowerSpec, plain: bool = False) -> "SpeechTower":
        """By name, in float32.  Raises SpecError where the name cannot be loaded or its family is not supported.

        `plain`, for a CPU: by `embed.model.plain` where it has the architecture, with the same vectors.
        """
        found = plain_tower(Path(tower_place(spec.name))) if plain else None
        if found is None:
            from embed.model.towers.pretrained import config_of, speech_model  # transformers takes seconds to import

            # Checked before the weights, which may be large.
            known_family("speech tower", spec.name, config_of(spec.name, "speech tower"))
            found = speech_model(spec.name)
        return cls(spec, *found)

    def train(self, mode: bool = True) -> "SpeechTower":
        """Stays in evaluation mode: a frozen tower has neither dropout nor time masking."""
        return super().train(False)

    @property
    def depth(self) -> int:
        """Number of layers in use; later layers are not used."""
        return max(self.layers)

    @property
    def longest_s(self) -> float:
        """The longest wave that it takes, in seconds."""
        return self._run.longest_s

    def forward(self, waves: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
        """float32 frames [B, T, L*H], zero after each clip's end, and lengths [B].  InputError for an unfit wave."""
        for wave in waves:
            check_wave(wave, self.longest_s, self.spec.name)
        device = next(self.model.parameters()).device
        found = [self._run.features(wave) for wave in waves]
        sizes = torch.tensor([len(one) for one in found])
        mask = to_device(torch.arange(int(sizes.max()))[None, :] < sizes[:, None], device)
        lengths = to_device(sizes, device)
        features = to_device(pad_sequence(found, batch_first=True), device).to(self.model.dtype)
        states = self._run.layers(features, mask)
        frames = torch.cat([states[layer - 1] for layer in self.layers], dim=-1)
        return frames.float() * mask.unsqueeze(-1), lengths


def check_wave(wave: FloatArray, longest_s: float, name: str) -> None:
    """InputError for a wave that the tower `name` does not take."""
    seconds = len(wave) / SAMPLE_RATE
    if seconds > longest_s + 1e-6:
        raise InputError(f"a wave of {seconds:.1f} s is longer than the {longest_s:.1f} s that {name} takes")
    if seconds < SHORTEST_S or not np.isfinite(wave).all():
        raise InputError(f"a wave must be at least {SHORTEST_S} s long and finite")
