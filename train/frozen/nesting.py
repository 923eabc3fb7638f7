"""Nesting transform: a rotation learned so that short prefixes still separate meanings, whatever the language.

Principal axes order a tower's dimensions by variance, and much of a multilingual tower's variance is language and
style.  Here a rotation learns two things at every width but the full one: a text must find its own translation
among others, and running text must keep the neighbours that it has at full width.  It starts at the axes of what
translations share, less what they do not, plus the spread of running text.

Then the last axes are made to count less: what is left for them tells languages apart rather than meanings, and whole
vectors with all axes alike find translations worse than their own prefixes do.

Shapes: n texts with translations, m running texts, D the tower's width, d a prefix, B a batch.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from embed.model.transform import NestingTransform, fit

STEPS = 150  # 400 are no better on dev, nor are larger steps
BATCH = 256
LEARNING_RATE = 2e-3
TEMPERATURE = 0.05
# Of the three thirds of the axes, in every vector; chosen on dev.
WEIGHTS = (1.0, 1.0, 0.5)


def learn_nesting(
    queries: Tensor, documents: Tensor, groups: Sequence[Sequence[int]], running: Tensor, dims: Sequence[int], seed: int
) -> NestingTransform:
    """Centre and weighted axes for the unit vectors of a tower that was not trained as Matryoshka.

    `queries` and `documents` are the same n texts in both roles [n, D]; a group names those that are translations of
    each other, of which there are two at least; `running` [m, D] are documents with no translation.  Deterministic by
    seed.  Raises ValueError where the texts are too few to order the dimensions.
    """
    # Both kinds weigh the same in the centre.
    start = fit(torch.cat([_some(documents, len(running), seed), running]) if len(running) else documents)
    narrow = [dim for dim in dims if dim < documents.shape[1]]
    if not groups or not narrow:
        return start
    start.rotation.copy_(_shared_axes(documents - start.centre, groups, running - start.centre))
    turn = orthogonal(nn.Linear(documents.shape[1], documents.shape[1], bias=False), orthogonal_map="cayley")
    turn.weight = torch.eye(documents.shape[1])
    placed = [_placed(vectors, start) for vectors in (queries, documents, running)]
    optimiser = torch.optim.Adam(turn.parameters(), LEARNING_RATE)
    for asked, found, some in _draws(groups, len(running), seed):
        turned = turn.weight.T
        loss = _translated(placed[0][asked] @ turned, placed[1][found] @ turned, narrow)
        if len(some):
            loss = loss + _neighbourly(placed[2][some] @ turned, narrow)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        start.rotation.copy_(axis_weights(len(turn.weight))[:, None] * (turn.weight @ start.rotation))
    return start


def axis_weights(num_axes: int) -> Tensor:
    """`WEIGHTS`, one for each axis."""
    return torch.cat(
        [torch.full((len(third),), w) for third, w in zip(torch.arange(num_axes).tensor_split(3), WEIGHTS, strict=True)]
    )


def _shared_axes(documents: Tensor, groups: Sequence[Sequence[int]], running: Tensor) -> Tensor:
    """Axes [D, D], first those along which meanings differ and translations do not."""
    middles = torch.stack([documents[list(group)].mean(0) for group in groups])
    apart = torch.cat([documents[list(group)] - middle for group, middle in zip(groups, middles, strict=True)])
    wanted = _spread(middles) - _spread(apart) + (_spread(running) if len(running) else 0)
    axes: Tensor = torch.linalg.eigh(wanted)[1].flip(1).T.float()
    return axes


def _spread(vectors: Tensor) -> Tensor:
    """Covariance [D, D]."""
    return vectors.double().T.cov(correction=0)


def _placed(vectors: Tensor, start: NestingTransform) -> Tensor:
    return start(vectors) if len(vectors) else vectors


def _some(vectors: Tensor, most: int, seed: int) -> Tensor:
    chosen = np.random.default_rng([seed, 1]).permutation(len(vectors))[: max(most, vectors.shape[1] + 1)]
    return vectors[np.sort(chosen)]


def _draws(groups: Sequence[Sequence[int]], num_running: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """For each step: positions of texts, of one translation of each, and of running texts."""
    chance = np.random.default_rng([seed, 2])
    for _ in range(STEPS):
        chosen = chance.permutation(len(groups))[:BATCH]
        pairs = np.asarray([chance.choice(groups[i], 2, replace=False) for i in chosen])
        running = chance.permutation(num_running)[:BATCH]
        yield torch.from_numpy(pairs[:, 0]), torch.from_numpy(pairs[:, 1]), torch.from_numpy(running)


def _translated(asked_BD: Tensor, found_BD: Tensor, dims: Sequence[int]) -> Tensor:
    """Cross-entropy of each text's own translation among the batch's, summed over dims."""
    own = torch.arange(len(asked_BD))
    losses = [nn.functional.cross_entropy(_cosines(asked_BD, found_BD, dim), own) for dim in dims]
    return torch.stack(losses).sum()


def _neighbourly(texts_BD: Tensor, dims: Sequence[int]) -> Tensor:
    """Divergence of each text's neighbours at a dim from those at full width, summed over dims."""
    alone = torch.eye(len(texts_BD)) * -1e4  # A text is no neighbour of its own.
    full = (_cosines(texts_BD, texts_BD, texts_BD.shape[1]) + alone).log_softmax(-1)
    cut = [(_cosines(texts_BD, texts_BD, dim) + alone).log_softmax(-1) for dim in dims]
    losses = [nn.functional.kl_div(one, full, log_target=True, reduction="batchmean") for one in cut]
    return torch.stack(losses).sum()


def _cosines(one_BD: Tensor, other_BD: Tensor, dim: int) -> Tensor:
    one, other = (nn.functional.normalize(x[:, :dim], dim=-1) for x in (one_BD, other_BD))
    return one @ other.T / TEMPERATURE
