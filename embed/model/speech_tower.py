"""The frozen speech tower: waves in, the concatenated outputs of its layers out, with no trace of padding.

Shapes: B batch, T frames, L layers, H the tower's width; frames [B, T, L*H] and lengths [B].
- Whisper's encoder runs on the true length, not on 30 s: positions [:T], and a mask that its public code lacks.
- HuBERT's kin (wav2vec2, WavLM) have a front end whose group norm sees the whole clip, so it runs clip by clip;
  the transformer behind it runs as a masked batch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
from transformers.utils import logging

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError, SpecError
from embed.model.packaged import resolve
from embed.model.spec import SpeechTowerSpec

# Whisper was trained on 30 s with silence behind the words; a little of it keeps the last word whole.
WHISPER_TAIL_S = 0.3
WAVE_FAMILY = ("hubert", "wav2vec2", "wavlm")
# The shortest wave that leaves a frame behind the strided front ends of both families.
SHORTEST_S = 0.05


class SpeechTower(nn.Module):
    """Waves of any lengths to frames; its weights never change."""

    def __init__(self, spec: SpeechTowerSpec, model: Any, extractor: Any) -> None:
        super().__init__()
        self.spec = spec
        self.family: str = model.config.model_type
        if self.family != "whisper" and self.family not in WAVE_FAMILY:
            known = ", ".join(("whisper", *WAVE_FAMILY))
            raise SpecError(f"speech tower {spec.name!r} is a {self.family}; this version reads {known}")
        self.model = (model.encoder if self.family == "whisper" else model).eval().requires_grad_(False)
        self.extractor = extractor
        depth: int = model.config.num_hidden_layers
        self.layers = spec.layers if spec.layers is not None else tuple(range(1, depth + 1))
        if not self.layers or min(self.layers) < 1 or max(self.layers) > depth:
            raise SpecError(f"speech tower {spec.name!r} has layers 1 to {depth}, not {list(self.layers)}")
        self.width: int = model.config.hidden_size * len(self.layers)

    @classmethod
    def load(cls, spec: SpeechTowerSpec) -> "SpeechTower":
        """By name, in float32.  Raises SpecError where the name cannot be had or is of no known family."""
        place = str(resolve(spec.name))
        try:
            logging.disable_progress_bar()  # Loading is no progress of the job that waits for it.
            config = AutoConfig.from_pretrained(place)
            model = AutoModel.from_pretrained(place, config=config, dtype=torch.float32)
            return cls(spec, model, AutoFeatureExtractor.from_pretrained(place))
        except OSError as error:
            raise SpecError(
                f"speech tower {spec.name!r} cannot be loaded: {str(error).strip().splitlines()[0]}"
            ) from None

    def train(self, mode: bool = True) -> "SpeechTower":
        """Stays in evaluation mode: a frozen tower has neither dropout nor time masking."""
        return super().train(False)

    @property
    def longest_s(self) -> float:
        """The longest wave it can take in one go, in seconds."""
        if self.family == "whisper":
            return float(self.model.config.max_source_positions) / 50 - WHISPER_TAIL_S
        return 60.0  # no position table; attention is quadratic, and nothing longer was in training

    def forward(self, waves: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
        """Frames [B, T, L*H], zero behind each clip's end, and lengths [B].  InputError for an unfit wave."""
        for wave in waves:
            self._check(wave)
        inputs, lengths = self._whisper_inputs(waves) if self.family == "whisper" else self._wave_inputs(waves)
        mask = torch.arange(int(lengths.max()), device=lengths.device)[None, :] < lengths[:, None]
        states = self._whisper_layers(inputs, mask) if self.family == "whisper" else self._wave_layers(inputs, mask)
        frames = torch.cat([states[layer - 1] for layer in self.layers], dim=-1)
        return frames * mask.unsqueeze(-1), lengths

    def _check(self, wave: FloatArray) -> None:
        seconds = len(wave) / SAMPLE_RATE
        if seconds > self.longest_s + 1e-6:
            raise InputError(
                f"a wave of {seconds:.1f} s is over the {self.longest_s:.1f} s that {self.spec.name} takes"
            )
        if seconds < SHORTEST_S or not np.isfinite(wave).all():
            raise InputError(f"a wave must be at least {SHORTEST_S} s long and finite")

    @property
    def _device(self) -> torch.device:
        device: torch.device = next(self.model.parameters()).device
        return device

    def _whisper_inputs(self, waves: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
        """Log-mel [B, 80, 2T] of each clip by itself (its scale is the clip's own maximum), zero behind its end."""
        tail = np.zeros(int(WHISPER_TAIL_S * SAMPLE_RATE), dtype=np.float32)
        mels = []
        for wave in waves:
            found = self.extractor(
                np.concatenate([wave, tail]), sampling_rate=SAMPLE_RATE, padding=False, truncation=False
            )["input_features"][0]
            mel = torch.as_tensor(np.asarray(found), dtype=torch.float32)
            mels.append(mel[:, : mel.shape[1] // 2 * 2].T)
        lengths = torch.tensor([len(mel) // 2 for mel in mels], device=self._device)
        return pad_sequence(mels, batch_first=True).transpose(1, 2).to(self._device), lengths

    def _whisper_layers(self, mel: Tensor, mask: Tensor) -> list[Tensor]:
        encoder = self.model
        wide = mask.repeat_interleave(2, dim=1).unsqueeze(1)
        # What conv1 leaves behind a clip's end (its bias) must not reach conv2: a clip alone has nothing there.
        hidden = nn.functional.gelu(encoder.conv1(mel)) * wide
        hidden = nn.functional.gelu(encoder.conv2(hidden)).transpose(1, 2)
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        blocked = torch.zeros(mask.shape, dtype=hidden.dtype, device=hidden.device)
        blocked = blocked.masked_fill(~mask, torch.finfo(hidden.dtype).min)[:, None, None, :]
        states = []
        for layer in encoder.layers:
            out = layer(hidden, attention_mask=blocked.expand(-1, 1, hidden.shape[1], -1))
            hidden = out[0] if isinstance(out, tuple) else out
            states.append(hidden)
        states[-1] = encoder.layer_norm(states[-1])
        return states

    def _wave_inputs(self, waves: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
        """The front end's frames [B, T, C], clip by clip."""
        found = []
        for wave in waves:
            values = self.extractor(wave, sampling_rate=SAMPLE_RATE, padding=False)["input_values"][0]
            one = torch.as_tensor(np.asarray(values), dtype=torch.float32, device=self._device)[None]
            found.append(self.model.feature_extractor(one)[0].T)
        lengths = torch.tensor([len(one) for one in found], device=self._device)
        return pad_sequence(found, batch_first=True), lengths

    def _wave_layers(self, features: Tensor, mask: Tensor) -> list[Tensor]:
        projected = self.model.feature_projection(features)
        hidden = projected[0] if isinstance(projected, tuple) else projected
        states: list[Tensor] = []
        hooks = [layer.register_forward_hook(_keep_in(states)) for layer in self.model.encoder.layers]
        try:
            out = self.model.encoder(hidden, attention_mask=mask)
        finally:
            for hook in hooks:
                hook.remove()
        # The last one with the encoder's closing norm, where the architecture has one.
        states[-1] = out.last_hidden_state
        return states


def _keep_in(states: list[Tensor]) -> Callable[[nn.Module, Any, Any], None]:
    def keep(_: nn.Module, __: Any, out: Any) -> None:
        states.append(out[0] if isinstance(out, tuple) else out)

    return keep
