"""Rank of a fusion's projector: its first, linear layer with only the largest singular directions."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from embed.errors import InputError
from embed.model.joint import JointEncoder


@contextmanager
def cut_to_rank(model: JointEncoder, rank: int) -> Iterator[None]:
    """Inside the context the projector of each of the model's fusions has this rank, at most."""
    layers = [fusion.linear for fusion in model.fusions]
    whole = [layer.weight.data for layer in layers]
    try:
        for layer, weight in zip(layers, whole, strict=True):
            layer.weight.data = truncated(weight, rank)
        yield
    finally:
        for layer, weight in zip(layers, whole, strict=True):
            layer.weight.data = weight


def truncated(weight: torch.Tensor, rank: int) -> torch.Tensor:
    """The nearest matrix of this rank, by truncated singular value decomposition."""
    left, values, right = torch.linalg.svd(weight.double(), full_matrices=False)
    found = (left[:, :rank] * values[:rank]) @ right[:rank]
    return found.to(weight.dtype)


def parameters(model: JointEncoder, rank: int) -> int:
    """Weights of the projectors as two factors of this rank.  InputError for a model without a fusion."""
    if not model.fusions:
        raise InputError("field 'ranks.projector': this model has no fusion; remove the field, or give a fused model")
    return sum(rank * sum(fusion.linear.weight.shape) for fusion in model.fusions)
