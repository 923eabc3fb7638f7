"""Nesting transform: centre, rotate, weigh; it orders the dimensions of a tower not trained as Matryoshka.

Fitted once on a domain-mixed sample of texts; one centre for both modalities; part of the `space` fingerprint.
"""

import torch
from torch import Tensor, nn


class NestingTransform(nn.Module):
    """x [n, D] of unit length to rotation @ (x - centre), again of unit length.

    The rotation's rows are orthogonal axes; the length of each is its weight.
    """

    centre: Tensor
    rotation: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("rotation", torch.eye(dim))

    def forward(self, vectors: Tensor) -> Tensor:
        unit = nn.functional.normalize(vectors, dim=-1)
        return nn.functional.normalize((unit - self.centre) @ self.rotation.T, dim=-1)


def fit(vectors: Tensor) -> NestingTransform:
    """The mean and the principal axes, largest variance first, of unit vectors [n, D]; n must exceed D."""
    if len(vectors) <= vectors.shape[1]:
        raise ValueError(f"{len(vectors)} vectors cannot order {vectors.shape[1]} dimensions; give more texts")
    unit = nn.functional.normalize(vectors.double(), dim=-1)
    centre = unit.mean(0)
    _, axes = torch.linalg.eigh((unit - centre).T @ (unit - centre) / len(unit))
    axes = axes.flip(1).T
    # The sign of an axis is arbitrary: make the largest entry positive, so that two fits agree.
    signs = torch.sign(axes.gather(1, axes.abs().argmax(1, keepdim=True)))
    transform = NestingTransform(vectors.shape[1])
    transform.centre.copy_(centre)
    transform.rotation.copy_(axes * signs)
    return transform
