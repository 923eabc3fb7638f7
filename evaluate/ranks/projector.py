"""Rank of a fusion's projector: its first, linear layer with only the largest singular directions."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from embed.errors import InputError
from embed.model.joint import JointEncoder

Factors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # left, singular values, right


def decomposed(model: JointEncoder) -> list[Factors]:
    """Singular value decompositions of the projectors of the model's fusions, in 64 bits."""
    return [torch.linalg.svd(fusion.linear.weight.data.double(), full_matrices=False) for fusion in model.fusions]


@contextmanager
def cut_to_rank(model: JointEncoder, factors: Sequence[Factors], rank: int) -> Iterator[None]:
    """Inside the context the projector of each of the model's fusions has this rank, at most."""
    layers = [fusion.linear for fusion in model.fusions]
    whole = [layer.weight.data for layer in layers]
    try:
        for layer, one, weight in zip(layers, factors, whole, strict=True):
            layer.weight.data = truncated(one, rank).to(weight.dtype)
        yield
    finally:
        for layer, weight in zip(layers, whole, strict=True):
            layer.weight.data = weight


def truncated(factors: Factors, rank: int) -> torch.Tensor:
    """The nearest matrix of this rank."""
    left, values, right = factors
    found: torch.Tensor = (left[:, :rank] * values[:rank]) @ right[:rank]
    return found


def parameters(model: JointEncoder, rank: int) -> int:
    """Weights of the projectors as two factors of this rank.  InputError for a model without a fusion."""
    if not model.fusions:
        raise InputError("field 'ranks.projector': this model has no fusion; remove the field, or give a fused model")
    return sum(rank * sum(fusion.linear.weight.shape) for fusion in model.fusions)
