"""Families of speech towers: each turns a clip into features, and a masked batch of features into layers.

All differences between architectures are in a `Family` here, so that a new one changes only this file.

Shapes: B batch, T frames (50 a second), C a feature's width, H the tower's; features [B, T, C], mask [B, T], True
where a clip has a frame.  A clip's features are computed separately, since each family scales each clip by itself.
- Whisper's encoder runs on the true length, not on 30 s: positions [:T], and a mask that its public code lacks.
- HuBERT, wav2vec2 and WavLM read the wave through convolutions; a group norm in them may depend on the whole clip.
- w2v-BERT reads log-mel frames, two to a feature; its own convolutions take the mask.
"""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import SpecError
from embed.model.plain.checkpoint import read_json
from embed.model.plain.log_mel import plain_log_mel
from embed.model.plain.whisper import plain_whisper

# Whisper was trained on 30 s with silence after the words; a little of it keeps the last word complete.
WHISPER_TAIL_S = 0.3
# For towers without a position table: attention is quadratic, and training had nothing longer.
UNBOUND_LONGEST_S = 60.0
MEL_STEP, MEL_WINDOW = SAMPLE_RATE // 100, 400  # samples of log-mel frames, of which two make a feature


class Family(Protocol):
    """Computation of one architecture, over a tower and a feature extractor that it does not own."""

    has_decoder: ClassVar[bool]  # its recogniser writes tokens; the others write letters per frame, or none

    def __init__(self, tower: Any, extractor: Any) -> None: ...

    @staticmethod
    def tower(model: Any) -> Any:
        """The part of a checkpoint's model that encodes speech."""

    @staticmethod
    def longest_of(config: Any) -> float:
        """The longest wave that a tower of this configuration takes, in seconds."""

    @staticmethod
    def frames(config: Any, samples: int) -> int:
        """Number of frames of a wave of so many samples at 16 kHz; below 1 for one that is too short."""

    @staticmethod
    def plain(folder: Path) -> tuple[Any, Any] | None:
        """Model and extractor of a checkpoint's folder by `embed.model.plain`; None where that has none."""

    @property
    def longest_s(self) -> float:
        """`longest_of` of this tower."""

    def features(self, wave: FloatArray) -> Tensor:
        """[T, C] of one clip, on any device."""

    def layers(self, features: Tensor, mask: Tensor) -> list[Tensor]:
        """Every layer's output [B, T, H], the last with the encoder's closing norm; undefined after a clip's end."""


class Whisper:
    """Log-mel frames, two to a feature, as the second convolution's stride needs them."""

    has_decoder: ClassVar[bool] = True

    def __init__(self, tower: Any, extractor: Any) -> None:
        self.encoder = tower
        self.extractor = extractor

    @staticmethod
    def tower(model: Any) -> Any:
        return model.encoder

    @staticmethod
    def longest_of(config: Any) -> float:
        return float(config.max_source_positions) / 50 - WHISPER_TAIL_S

    @staticmethod
    def frames(config: Any, samples: int) -> int:
        return (samples + int(WHISPER_TAIL_S * SAMPLE_RATE)) // MEL_STEP // 2

    @staticmethod
    def plain(folder: Path) -> tuple[Any, Any] | None:
        extractor = plain_log_mel(folder)
        model = None if extractor is None else plain_whisper(folder)
        return None if model is None else (model, extractor)

    @property
    def longest_s(self) -> float:
        return self.longest_of(self.encoder.config)

    def features(self, wave: FloatArray) -> Tensor:
        tail = np.zeros(int(WHISPER_TAIL_S * SAMPLE_RATE), dtype=np.float32)
        with torch.autocast("cpu", enabled=False):  # it computes with torch and returns numpy
            found = self.extractor(
                np.concatenate([wave, tail]), sampling_rate=SAMPLE_RATE, padding=False, truncation=False
            )["input_features"][0]
        mel = torch.as_tensor(np.asarray(found), dtype=torch.float32).T
        return mel[: len(mel) // 2 * 2].reshape(len(mel) // 2, -1)

    def layers(self, features: Tensor, mask: Tensor) -> list[Tensor]:
        encoder = self.encoder
        mel = features.reshape(len(features), 2 * features.shape[1], -1).transpose(1, 2)
        # conv1 needs zeros after a clip's end, as for a single clip; conv2 (kernel 3, stride 2) reads no further than
        # the clip's last two frames, so the output of conv1 after them has no effect.
        hidden = nn.functional.gelu(encoder.conv1(mel))
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


class _Unbound:
    """A tower without a position table, whose model is only an encoder; implemented only by `transformers`."""

    has_decoder: ClassVar[bool] = False
    longest_s = UNBOUND_LONGEST_S

    def __init__(self, tower: Any, extractor: Any) -> None:
        self.model = tower
        self.extractor = extractor

    @staticmethod
    def tower(model: Any) -> Any:
        return model

    @staticmethod
    def longest_of(config: Any) -> float:
        return UNBOUND_LONGEST_S

    @staticmethod
    def plain(folder: Path) -> tuple[Any, Any] | None:
        return None


class Waves(_Unbound):
    """HuBERT, wav2vec2 and WavLM: the wave itself through strided convolutions, then a transformer."""

    @staticmethod
    def frames(config: Any, samples: int) -> int:
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples

    def features(self, wave: FloatArray) -> Tensor:
        values = self.extractor(wave, sampling_rate=SAMPLE_RATE, padding=False)["input_values"][0]
        one = torch.as_tensor(np.asarray(values), dtype=self.model.dtype, device=self.model.device)[None]
        features: Tensor = self.model.feature_extractor(one)[0].T
        return features

    def layers(self, features: Tensor, mask: Tensor) -> list[Tensor]:
        # Some HuBERTs (mHuBERT-147) norm the frames before the convolution for positions, which changes the zeros
        # after a clip's end; a single clip has zeros there.
        norm = getattr(self.model.encoder.pos_conv_embed, "batch_norm", None)
        with ExitStack() as during:
            if norm is not None:
                during.enter_context(norm.register_forward_hook(_keep_where(mask.unsqueeze(1))))
            during.enter_context(warnings.catch_warnings())
            # WavLM gives torch a mask of booleans and one of floats; their sum is correct.
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
            return _transformed(self.model, features, mask)


class Spectra(_Unbound):
    """w2v-BERT: log-mel frames of 80, each bin scaled over the clip, two to a feature; then conformer blocks."""

    @staticmethod
    def frames(config: Any, samples: int) -> int:
        return ((samples - MEL_WINDOW) // MEL_STEP + 1) // 2

    def features(self, wave: FloatArray) -> Tensor:
        # Not padded: a last odd frame is dropped; with padding it would become a feature that the mask drops.
        found = self.extractor(wave, sampling_rate=SAMPLE_RATE, padding=False, pad_to_multiple_of=None)
        return torch.as_tensor(np.asarray(found["input_features"][0]), dtype=torch.float32)

    def layers(self, features: Tensor, mask: Tensor) -> list[Tensor]:
        return _transformed(self.model, features, mask)


# By the `model_type` of a checkpoint's configuration.
FAMILIES: dict[str, type[Family]] = {
    "whisper": Whisper,
    "hubert": Waves,
    "wav2vec2": Waves,
    "wavlm": Waves,
    "wav2vec2-bert": Spectra,
}


def known_family(what: str, name: str, config: Any) -> type[Family]:
    """The family of a checkpoint's configuration.  SpecError, which calls it `what`, for an unsupported one."""
    family: str = config.model_type
    if family not in FAMILIES:
        raise SpecError(f"{what} {name!r} is a {family}; this version supports {', '.join(FAMILIES)}")
    return FAMILIES[family]


def plain_tower(folder: Path) -> tuple[Any, Any] | None:
    """Model and extractor of a checkpoint's folder without `transformers`; None where `transformers` must load it."""
    config = read_json(folder / "config.json") or {}
    family = FAMILIES.get(str(config.get("model_type")))
    return None if family is None else family.plain(folder)


def _transformed(model: Any, features: Tensor, mask: Tensor) -> list[Tensor]:
    """Outputs of all layers: projection and encoder, as the library runs them."""
    projected = model.feature_projection(features)
    hidden = projected[0] if isinstance(projected, tuple) else projected
    states: list[Tensor] = []
    with ExitStack() as during:
        for layer in model.encoder.layers:
            during.enter_context(layer.register_forward_hook(_keep_in(states)))
        out = model.encoder(hidden, attention_mask=mask)
    # The last one with the encoder's closing norm, where the architecture has one.
    states[-1] = out.last_hidden_state
    return states


def _keep_in(states: list[Tensor]) -> Callable[[nn.Module, Any, Any], None]:
    def keep(_: nn.Module, __: Any, out: Any) -> None:
        states.append(out[0] if isinstance(out, tuple) else out)

    return keep


def _keep_where(mask: Tensor) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    return lambda _, __, out: out * mask
