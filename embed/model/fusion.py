"""Fusion, the trained part: concatenated speech frames become input embeddings of the frozen text tower.

Shapes: B batch, T frames, F = layers x width of the speech tower, C channels, H width of the text tower.
"""

from typing import cast

import torch
from torch import Tensor, nn

from embed.model.spec import FusionSpec


class Fusion(nn.Module):
    """Frames [B, T, F] to embeddings [B, T', H]: average, standardise, linear, strided convolutions, norm."""

    centre: Tensor
    scale: Tensor

    def __init__(self, spec: FusionSpec, frames_width: int, text_width: int) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("centre", torch.zeros(frames_width))
        self.register_buffer("scale", torch.ones(frames_width))
        self.linear = nn.Linear(frames_width, spec.width, bias=spec.activation)
        self.norm = nn.LayerNorm(spec.width) if spec.activation else nn.Identity()
        channels = [spec.width] * len(spec.strides) + [text_width]
        self.convs = nn.ModuleList(
            nn.Conv1d(before, after, stride, stride)
            for before, after, stride in zip(channels, channels[1:], spec.strides, strict=False)
        )
        if not spec.strides:
            self.convs.append(nn.Conv1d(spec.width, text_width, 1))
        self.output_norm = nn.LayerNorm(text_width) if spec.output_norm else nn.Identity()
        self.output_map = nn.Linear(text_width, text_width, bias=False) if spec.output_map else nn.Identity()
        if isinstance(self.output_map, nn.Linear):
            nn.init.eye_(self.output_map.weight)

    def start_at(self, words: Tensor) -> None:
        """Scale the output to the spread of the word embeddings [V, H], as the frozen tower expects it."""
        if isinstance(self.output_norm, nn.LayerNorm):
            nn.init.constant_(self.output_norm.weight, float(words.std()))
            with torch.no_grad():
                self.output_norm.bias.copy_(words.mean(0))

    def standardise(self, centre: Tensor, scale: Tensor) -> None:
        """Set the mean and spread [F] of the training frames."""
        self.centre.copy_(centre)
        self.scale.copy_(scale)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [B, T', H], zero after each clip's end, and lengths [B]; no row depends on another's padding.

        `x` are frames that `shorten` has averaged by `frame_pool`, as a feature cache stores them.
        """
        x = (x - self.centre).div_(self.scale)  # in place: the frames are large, so there is only one copy
        x = self.norm(self.linear(x))
        if self.spec.activation:
            x = nn.functional.gelu(x)
        x = x * _mask(x, lengths)
        for number, conv in enumerate(self.convs):
            x, lengths = _strided(cast(nn.Conv1d, conv), x, lengths)
            if self.spec.activation and number + 1 < len(self.convs):
                x = nn.functional.gelu(x)
            x = x * _mask(x, lengths)
        x = self.output_norm(x)
        return x * _mask(x, lengths), lengths


def shorten(frames: Tensor, lengths: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Means of `factor` neighbouring frames; an incomplete last group is the mean of its frames."""
    if factor == 1:
        return frames, lengths
    frames = frames * _mask(frames, lengths)
    missing = -frames.shape[1] % factor
    padded = nn.functional.pad(frames, (0, 0, 0, missing))
    groups = padded.view(len(padded), -1, factor, padded.shape[2]).sum(2)
    begun = torch.arange(groups.shape[1], device=lengths.device) * factor
    counts = (lengths[:, None] - begun[None, :]).clamp(1, factor).unsqueeze(-1)
    return groups / counts, (lengths + factor - 1) // factor


def _strided(conv: nn.Conv1d, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    stride = conv.stride[0]
    missing = -x.shape[1] % stride
    out: Tensor = conv(nn.functional.pad(x, (0, 0, 0, missing)).transpose(1, 2)).transpose(1, 2)
    return out, (lengths + stride - 1) // stride


def _mask(x: Tensor, lengths: Tensor) -> Tensor:
    return (torch.arange(x.shape[1], device=x.device)[None, :] < lengths[:, None]).unsqueeze(-1)
