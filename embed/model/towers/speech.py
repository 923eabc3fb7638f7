"""The frozen speech tower: waves in, the concatenated outputs of its layers out, with no trace of padding.

Shapes: B batch, T frames, L layers, H the tower's width; frames [B, T, L*H] and lengths [B].
What differs from one architecture to the next is in `embed.model.towers.speech_families`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
from transformers.utils import logging

from embed.encoder import SAMPLE_RATE, SHORTEST_S, FloatArray
from embed.errors import InputError, SpecError
from embed.model.spec import SpeechTowerSpec
from embed.model.towers.files import SAFELY, all_there, tower_place, why_not
from embed.model.towers.speech_families import FAMILIES


class SpeechTower(nn.Module):
    """Waves of any lengths to frames; frozen unless a training opens some of it."""

    def __init__(self, spec: SpeechTowerSpec, model: Any, extractor: Any) -> None:
        super().__init__()
        self.spec = spec
        self.family = _known_family(spec, model.config)
        # Whisper's decoder has no part in this.
        self.model = (model.encoder if self.family == "whisper" else model).eval().requires_grad_(False)
        self.extractor = extractor
        self._run = FAMILIES[self.family](self.model, extractor)
        depth: int = model.config.num_hidden_layers
        self.layers = spec.layers if spec.layers is not None else tuple(range(1, depth + 1))
        if not self.layers or min(self.layers) < 1 or max(self.layers) > depth:
            raise SpecError(f"speech tower {spec.name!r} has layers 1 to {depth}, not {list(self.layers)}")
        self.width: int = model.config.hidden_size * len(self.layers)

    @classmethod
    def load(cls, spec: SpeechTowerSpec) -> "SpeechTower":
        """By name, in float32.  Raises SpecError where the name cannot be had or is of no known family."""
        place = tower_place(spec.name)
        try:
            logging.disable_progress_bar()  # Loading is no progress of the job that waits for it.
            config = AutoConfig.from_pretrained(place, trust_remote_code=False)
            _known_family(spec, config)  # before the weights, which may be large
            options = {"config": config, "dtype": torch.float32, "output_loading_info": True, **SAFELY}
            model = all_there(spec.name, *AutoModel.from_pretrained(place, **options))
            extractor = AutoFeatureExtractor.from_pretrained(place, trust_remote_code=False)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise SpecError(f"speech tower {spec.name!r} cannot be loaded: {why_not(error)}") from None
        return cls(spec, model, extractor)

    def train(self, mode: bool = True) -> "SpeechTower":
        """Stays in evaluation mode: a frozen tower has neither dropout nor time masking."""
        return super().train(False)

    @property
    def depth(self) -> int:
        """How many of its layers are in use; those behind are heard by nobody."""
        return max(self.layers)

    @property
    def longest_s(self) -> float:
        """The longest wave it can take in one go, in seconds."""
        return self._run.longest_s

    def forward(self, waves: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
        """float32 frames [B, T, L*H], zero behind each clip's end, and lengths [B].  InputError for an unfit wave."""
        for wave in waves:
            self._check(wave)
        device = next(self.model.parameters()).device
        found = [self._run.features(wave) for wave in waves]
        lengths = torch.tensor([len(one) for one in found], device=device)
        mask = torch.arange(int(lengths.max()), device=device)[None, :] < lengths[:, None]
        features = pad_sequence(found, batch_first=True).to(device, self.model.dtype)
        states = self._run.layers(features, mask)
        frames = torch.cat([states[layer - 1] for layer in self.layers], dim=-1)
        return frames.float() * mask.unsqueeze(-1), lengths

    def _check(self, wave: FloatArray) -> None:
        seconds = len(wave) / SAMPLE_RATE
        if seconds > self.longest_s + 1e-6:
            raise InputError(
                f"a wave of {seconds:.1f} s is over the {self.longest_s:.1f} s that {self.spec.name} takes"
            )
        if seconds < SHORTEST_S or not np.isfinite(wave).all():
            raise InputError(f"a wave must be at least {SHORTEST_S} s long and finite")


def _known_family(spec: SpeechTowerSpec, config: Any) -> str:
    family: str = config.model_type
    if family not in FAMILIES:
        raise SpecError(f"speech tower {spec.name!r} is a {family}; this version reads {', '.join(FAMILIES)}")
    return family
