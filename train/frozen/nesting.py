"""Nesting transform: a rotation learned so that short prefixes still separate meanings, whatever the language.

Principal axes order a tower's dimensions by variance, and much of a multilingual tower's variance is language and
style.  Here a rotation is trained for two aims at every width but the full one: a text must find its own translation
among others, and running text must keep the neighbours that it has at full width.  It starts at the axes of the
covariance between meanings, less the covariance within translations, plus that of running text.

Then the last axes get a lower weight: they separate languages rather than meanings, and full vectors with equal weights
find translations worse than their own prefixes do.

Shapes: n texts with translations, m running texts, D the tower's width, d a prefix, B a batch.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from embed.model.transform import NestingTransform, fit

STEPS = 150  # neither 400 steps nor larger steps are better on dev
BATCH = 256
LEARNING_RATE = 2e-3
TEMPERATURE = 0.05
# Weights of the three thirds of the axes, in every vector; chosen on dev.
WEIGHTS = (1.0, 1.0, 0.5)


def learn_nesting(
    queries: Tensor, documents: Tensor, groups: Sequence[Sequence[int]], running: Tensor, dims: Sequence[int], seed: int
) -> NestingTransform:
    """Centre and weighted axes for the unit vectors of a tower that was not trained as Matryoshka.

    `queries` and `documents` are the same n texts in both roles [n, D]; a group lists two or more texts that are
    translations of each other; `running` [m, D] are documents with no translation.  Deterministic by seed.  Raises
    ValueError where the texts are too few to order the dimensions.
    """
    # Both kinds of texts have the same weight in the centre.
    start = fit(torch.cat([_sample(documents, len(running), seed), running]) if len(running) else documents)
    narrow = [dim for dim in dims if dim < documents.shape[1]]
    if not groups or not narrow:
        return start
    start.rotation.copy_(_shared_axes(documents - start.centre, groups, running - start.centre))
    turn = orthogonal(nn.Linear(documents.shape[1], documents.shape[1], bias=False), orthogonal_map="cayley")
    turn.weight = torch.eye(documents.shape[1])
    queries, documents, running = (_transformed(vectors, start) for vectors in (queries, documents, running))
    optimiser = torch.optim.Adam(turn.parameters(), LEARNING_RATE)
    for texts, translations, some in _draws(groups, len(running), seed):
        rotation = turn.weight.T
        loss = _translation_loss(queries[texts] @ rotation, documents[translations] @ rotation, narrow)
        if len(some):
            loss = loss + _neighbour_loss(running[some] @ rotation, narrow)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        start.rotation.copy_(axis_weights(len(turn.weight))[:, None] * (turn.weight @ start.rotation))
    return start


def axis_weights(num_axes: int) -> Tensor:
    """`WEIGHTS` by axis [num_axes]."""
    return torch.cat(
        [torch.full((len(third),), w) for third, w in zip(torch.arange(num_axes).tensor_split(3), WEIGHTS, strict=True)]
    )


def _shared_axes(documents: Tensor, groups: Sequence[Sequence[int]], running: Tensor) -> Tensor:
    """Axes [D, D], first those along which meanings differ and translations do not."""
    means = torch.stack([documents[list(group)].mean(0) for group in groups])
    within = torch.cat([documents[list(group)] - mean for group, mean in zip(groups, means, strict=True)])
    contrast = _covariance(means) - _covariance(within) + (_covariance(running) if len(running) else 0)
    axes: Tensor = torch.linalg.eigh(contrast)[1].flip(1).T.float()
    return axes


def _covariance(vectors: Tensor) -> Tensor:
    """Covariance [D, D]."""
    return vectors.double().T.cov(correction=0)


def _transformed(vectors: Tensor, start: NestingTransform) -> Tensor:
    return start(vectors) if len(vectors) else vectors


def _sample(vectors: Tensor, most: int, seed: int) -> Tensor:
    chosen = np.random.default_rng([seed, 1]).permutation(len(vectors))[: max(most, vectors.shape[1] + 1)]
    return vectors[np.sort(chosen)]


def _draws(groups: Sequence[Sequence[int]], num_running: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """For each step: positions of texts, of a translation of each, and of running texts."""
    chance = np.random.default_rng([seed, 2])
    for _ in range(STEPS):
        chosen = chance.permutation(len(groups))[:BATCH]
        pairs = np.asarray([chance.choice(groups[i], 2, replace=False) for i in chosen])
        running = chance.permutation(num_running)[:BATCH]
        yield torch.from_numpy(pairs[:, 0]), torch.from_numpy(pairs[:, 1]), torch.from_numpy(running)


def _translation_loss(texts_BD: Tensor, translations_BD: Tensor, dims: Sequence[int]) -> Tensor:
    """Cross-entropy of each text's own translation among the batch's, summed over dims."""
    own = torch.arange(len(texts_BD))
    losses = [nn.functional.cross_entropy(_cosines(texts_BD, translations_BD, dim), own) for dim in dims]
    return torch.stack(losses).sum()


def _neighbour_loss(texts_BD: Tensor, dims: Sequence[int]) -> Tensor:
    """Divergence of each text's neighbours at a dim from those at full width, summed over dims."""
    not_itself = torch.eye(len(texts_BD)) * -1e4  # A text is not its own neighbour.
    full = (_cosines(texts_BD, texts_BD, texts_BD.shape[1]) + not_itself).log_softmax(-1)
    prefixes = [(_cosines(texts_BD, texts_BD, dim) + not_itself).log_softmax(-1) for dim in dims]
    losses = [nn.functional.kl_div(one, full, log_target=True, reduction="batchmean") for one in prefixes]
    return torch.stack(losses).sum()


def _cosines(one_BD: Tensor, other_BD: Tensor, dim: int) -> Tensor:
    one, other = (nn.functional.normalize(x[:, :dim], dim=-1) for x in (one_BD, other_BD))
    return one @ other.T / TEMPERATURE
