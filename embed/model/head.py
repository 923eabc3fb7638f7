"""Speech head: frames to a vector without the text tower, for the dual encoder and for ridge regression.

Shapes: B batch, T frames, F = layers x width of the speech tower, Q queries, D the space's width.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from embed.model.spec import HeadSpec


class SpeechHead(nn.Module):
    """Frames [B, T, F] to vectors [B, D]: standardise, pool over time, an optional hidden layer, a linear map.

    It is trained to give vectors of the space itself, after the nesting transform; role and instruction do not count.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, spec: HeadSpec, frames_width: int, dims: Sequence[int]) -> None:
        super().__init__()
        self.spec = spec
        self.dims = tuple(dims)
        self.register_buffer("centre", torch.zeros(frames_width))
        self.register_buffer("scale", torch.ones(frames_width))
        attends = spec.pooling == "attention"
        # With spread 1, so that queries differ from the start and each is near the mean.
        self.queries = nn.Parameter(torch.randn(spec.queries, frames_width)) if attends else None
        width = frames_width * (spec.queries if attends else 1)
        self.hidden = nn.Linear(width, spec.hidden) if spec.hidden else None
        self.output = nn.Linear(spec.hidden or width, sum(self.dims) if spec.independent else self.dims[0])

    def standardise(self, centre: Tensor, scale: Tensor) -> None:
        """Set the mean and spread [F] of the training frames."""
        self.centre.copy_(centre)
        self.scale.copy_(scale)

    def take_ridge(self, centre: Tensor, scale: Tensor, weights: Tensor, bias: Tensor) -> None:
        """Take the weights of a regression from mean frames: standardised by [F] and [F], times [F, D], plus [D]."""
        if self.spec.pooling != "mean" or self.hidden is not None or self.spec.independent:
            raise ValueError("a ridge regression is a head with pooling mean, no hidden layer and one output")
        self.standardise(centre, scale)
        with torch.no_grad():
            self.output.weight.copy_(weights.T)
            self.output.bias.copy_(bias)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Unit rows [B, D]; of independent heads [B, sum of dims], in which each dim's part has unit length.

        `x` are frames that `shorten` has averaged by `frame_pool`; no row depends on another's padding.
        """
        x = (x - self.centre) / self.scale
        inside = torch.arange(x.shape[1], device=x.device)[None, :] < lengths[:, None]
        pooled = self._pooled(x, inside)
        if self.hidden is not None:
            pooled = nn.functional.gelu(self.hidden(pooled))
        out: Tensor = self.output(pooled)
        parts = torch.split(out, list(self.dims), dim=-1) if self.spec.independent else (out,)
        return torch.cat([nn.functional.normalize(part, dim=-1) for part in parts], dim=-1)

    def prefixes(self, vectors: Tensor) -> Mapping[int, Tensor]:
        """The vectors to compare at each dim, unit rows [B, d] by d, from the output of `forward`."""
        if self.spec.independent:
            return dict(zip(self.dims, torch.split(vectors, list(self.dims), dim=-1), strict=True))
        return {dim: nn.functional.normalize(vectors[:, :dim], dim=-1) for dim in self.dims}

    def _pooled(self, x: Tensor, inside: Tensor) -> Tensor:
        """[B, F], or [B, Q * F] of Q queries; `inside` [B, T] is True where a clip has a frame."""
        if self.queries is None:
            weights = inside.to(x.dtype) / inside.sum(1, keepdim=True)
            return torch.einsum("bt,btf->bf", weights, x)
        scores = torch.einsum("btf,qf->bqt", x, self.queries) / math.sqrt(x.shape[2])
        weights = scores.float().masked_fill(~inside[:, None, :], -torch.inf).softmax(-1).to(x.dtype)
        return torch.einsum("bqt,btf->bqf", weights, x).flatten(1)
