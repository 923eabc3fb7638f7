"""Losses as pure functions of tensors: no model, no file, no process group.

Shapes: B batch, N candidate texts, D the space's width.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


def matryoshka_infonce(
    vectors_BD: Tensor, candidates: Mapping[int, Tensor], positives_B: Tensor, allowed_BN: Tensor, temperature: float
) -> Tensor:
    """Mean over dims of the cross-entropy of each row's positive among its allowed candidates.

    `candidates` holds unit prefixes [N, d] by d; `allowed_BN` is False for texts that are no fair negative
    (of another language, or equally right).  Rows' prefixes are renormalised here.
    """
    losses = []
    for dim, candidates_ND in candidates.items():
        prefix = nn.functional.normalize(vectors_BD[:, :dim], dim=-1)
        scores_BN = (prefix @ candidates_ND.T / temperature).masked_fill(~allowed_BN, float("-inf"))
        losses.append(nn.functional.cross_entropy(scores_BN, positives_B))
    return torch.stack(losses).mean()


def in_batch_infonce(
    vectors_BD: Tensor, texts_BD: Tensor, same_BB: Tensor, dims: Sequence[int], temperature: float
) -> Tensor:
    """The other direction: mean over dims of the cross-entropy of each text's own speech among the batch's speech.

    Row i of both is a pair; `same_BB` is True where two rows say the same, which are no negatives of each other.
    """
    pairs = torch.arange(len(vectors_BD), device=vectors_BD.device)
    unfair_BB = same_BB & ~torch.eye(len(pairs), dtype=torch.bool, device=vectors_BD.device)
    losses = []
    for dim in dims:
        speech = nn.functional.normalize(vectors_BD[:, :dim], dim=-1)
        texts = nn.functional.normalize(texts_BD[:, :dim], dim=-1)
        scores_BB = (texts @ speech.T / temperature).masked_fill(unfair_BB, float("-inf"))
        losses.append(nn.functional.cross_entropy(scores_BB, pairs))
    return torch.stack(losses).mean()


def distillation(vectors_BD: Tensor, teachers_BD: Tensor) -> Tensor:
    """Mean of 1 - cosine to what the frozen tower says of the true transcript."""
    return (1 - nn.functional.cosine_similarity(vectors_BD, teachers_BD, dim=-1)).mean()
