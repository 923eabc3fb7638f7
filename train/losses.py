"""Losses as pure functions of tensors: no model, no file, no process group.

- Every loss takes this worker's rows and returns its share: the mean of the shares over workers, which DDP computes
  for their gradients, is the loss of the whole batch, however the rows are distributed.
- Prefixes are renormalised, since they are searched so; scores and losses are float32 (float64 stays).
- Candidates that are no valid negatives are masked in the softmax; a row's own positive never is.

Shapes: B this worker's rows, W all workers' rows, K hard negatives a row, C candidates, N texts of a table, D width.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn


class Gather(Protocol):
    """Joins this worker's rows with those of the others: `Alone`, or the result of `train.fit.gather.with_gradient`."""

    @property
    def first(self) -> int:
        """Place of this worker's first row among all."""
        ...

    def __call__(self, rows: Tensor, /) -> Tensor:
        """[W, ...] from [B, ...], in order of rank; a row's gradient is the sum over all workers' losses."""
        ...

    def mean(self, rows_B: Tensor, /) -> Tensor:
        """This worker's share of the mean over all rows."""
        ...

    def shared(self, parameter: Tensor, /) -> Tensor:
        """A parameter that is equal on all workers and in no DDP module: its gradient is the mean over the workers."""
        ...


class Alone:
    """One worker: its rows are all rows."""

    first = 0

    def __call__(self, rows: Tensor, /) -> Tensor:
        return rows

    def mean(self, rows_B: Tensor, /) -> Tensor:
        return rows_B.mean()

    def shared(self, parameter: Tensor, /) -> Tensor:
        return parameter


ALONE = Alone()


def infonce(
    vectors_BD: Tensor,
    targets_BD: Tensor,
    *,
    dims: Sequence[int],
    weights: Sequence[float] | None = None,
    temperature: float | Tensor = 0.05,
    same_BC: Tensor | None = None,
    negatives_BKD: Tensor | None = None,
    margin: float | None = None,
    gather: Gather = ALONE,
) -> Tensor:
    """Mean of both directions' cross-entropy: each vector finds its target among all workers', each target its vector.

    `same_BC` is True where a candidate has the meaning of the row's own target, and so is no negative of it: C is W, or
    W + W * K where hard negatives are covered too (row by row; `gather(torch.tensor(members))` gives the members of
    the W rows).  `negatives_BKD` are candidates of the vectors alone; a negative of zeros is none.  With `margin`,
    a candidate whose cosine at the widest dim exceeds the positive's by more is no negative either.
    """
    all_vectors_WD, all_targets_WD = gather(torch.stack([vectors_BD, targets_BD], 1)).unbind(1)
    candidates_CD, excluded_BC = all_targets_WD, same_BC
    if negatives_BKD is not None:
        negatives_CD = gather(negatives_BKD).flatten(0, 1)
        candidates_CD = torch.cat([all_targets_WD, negatives_CD])
        excluded_BC = _with_negatives(same_BC, len(all_targets_WD), negatives_CD, len(vectors_BD))
    forward = _towards(vectors_BD, candidates_CD, dims, weights, temperature, excluded_BC, margin, gather)
    same_BW = None if same_BC is None else same_BC[:, : len(all_vectors_WD)]
    backward = _towards(targets_BD, all_vectors_WD, dims, weights, temperature, same_BW, margin, gather)
    return (forward + backward) / 2


def reverse_infonce(
    vectors_BD: Tensor,
    texts_BD: Tensor,
    *,
    dims: Sequence[int],
    weights: Sequence[float] | None = None,
    temperature: float | Tensor = 0.05,
    same_BW: Tensor | None = None,
    margin: float | None = None,
    gather: Gather = ALONE,
) -> Tensor:
    """Each text finds its own speech among all workers' speech; row i of both is a pair.  See `infonce`."""
    return _towards(texts_BD, gather(vectors_BD), dims, weights, temperature, same_BW, margin, gather)


def against_tables(
    vectors_BD: Tensor,
    tables: Sequence[Mapping[int, Tensor]],
    table_B: Tensor,
    positives_B: Tensor,
    *,
    weights: Sequence[float] | None = None,
    temperature: float | Tensor = 0.05,
    margin: float | None = None,
    gather: Gather = ALONE,
) -> Tensor:
    """Weighted mean over dims of the cross-entropy of each row's positive among the texts of the row's own table.

    A table (e.g. of a language's texts) holds unit prefixes [N, d] by d, widest first; row i is compared with table
    `table_B[i]`, where its positive is row `positives_B[i]`.  The tables are the same on all workers, so nothing
    is gathered.
    """
    losses_DB: Tensor | None = None
    for number in sorted(set(table_B.tolist())):
        (rows,) = (table_B == number).nonzero(as_tuple=True)
        some = _by_row(vectors_BD[rows], tables[number], positives_B[rows], temperature, None, margin)
        if losses_DB is None:
            losses_DB = some.new_zeros(len(some), len(vectors_BD))
        losses_DB = losses_DB.index_copy(1, rows, some)
    assert losses_DB is not None
    return _weighted([gather.mean(one) for one in losses_DB], weights)


def distillation(vectors_BD: Tensor, teachers_BD: Tensor, *, gather: Gather = ALONE) -> Tensor:
    """Mean of 1 - cosine to the frozen tower's vector of the true transcript."""
    return gather.mean(1 - nn.functional.cosine_similarity(_exact(vectors_BD), _exact(teachers_BD), dim=-1))


def regression(
    vectors_BD: Tensor,
    targets_BD: Tensor,
    *,
    dims: Sequence[int],
    weights: Sequence[float] | None = None,
    gather: Gather = ALONE,
) -> Tensor:
    """Weighted mean over dims of mean absolute error minus log-sigmoid of the cosine; prefixes are not renormalised."""
    losses = []
    for dim in dims:
        prefix, target = _exact(vectors_BD)[:, :dim], _exact(targets_BD)[:, :dim]
        cosines_B = nn.functional.cosine_similarity(prefix, target, dim=-1)
        losses.append(gather.mean((prefix - target).abs().mean(-1) - nn.functional.logsigmoid(cosines_B)))
    return _weighted(losses, weights)


def _towards(
    queries_BD: Tensor,
    candidates_CD: Tensor,
    dims: Sequence[int],
    weights: Sequence[float] | None,
    temperature: float | Tensor,
    same_BC: Tensor | None,
    margin: float | None,
    gather: Gather,
) -> Tensor:
    """Loss of rows whose positives are the candidates at the same position, from `gather.first` on."""
    prefixes = {dim: _unit(candidates_CD, dim) for dim in sorted(dims, reverse=True)}
    order = None if weights is None else [weights[list(dims).index(dim)] for dim in prefixes]
    positives_B = torch.arange(len(queries_BD), device=queries_BD.device) + gather.first
    losses_DB = _by_row(queries_BD, prefixes, positives_B, temperature, same_BC, margin)
    return _weighted([gather.mean(one) for one in losses_DB], order)


def _by_row(
    queries_BD: Tensor,
    prefixes: Mapping[int, Tensor],
    positives_B: Tensor,
    temperature: float | Tensor,
    excluded_BC: Tensor | None,
    margin: float | None,
) -> Tensor:
    """Cross-entropy [dims, B] of each row's positive among the candidates, widest dim first."""
    losses: list[Tensor] = []
    own_B1 = positives_B[:, None]
    if excluded_BC is not None:
        excluded_BC = excluded_BC.scatter(1, own_B1, False)
    for dim in sorted(prefixes, reverse=True):
        cosines_BC = _unit(queries_BD, dim) @ prefixes[dim].T
        if margin is not None and not losses:
            # Decided once, at the widest dim, which is most reliable: a narrow prefix must learn from its near misses.
            above_BC = cosines_BC.detach() > cosines_BC.detach().gather(1, own_B1) + margin
            excluded_BC = above_BC if excluded_BC is None else excluded_BC | above_BC
        scores_BC = cosines_BC / temperature
        if excluded_BC is not None:
            scores_BC = scores_BC.masked_fill(excluded_BC, float("-inf"))
        losses.append(nn.functional.cross_entropy(scores_BC, positives_B, reduction="none"))
    return torch.stack(losses)


def _with_negatives(same_BC: Tensor | None, num_pairs: int, negatives_CD: Tensor, num_rows: int) -> Tensor:
    """[B, W + W * K], True where a candidate is no negative: marked as the same, or padding."""
    none_BC = (negatives_CD == 0).all(-1).expand(num_rows, -1)
    if same_BC is None:
        same_BC = none_BC.new_zeros(num_rows, num_pairs)
    if same_BC.shape[1] == num_pairs:
        return torch.cat([same_BC, none_BC], 1)
    return torch.cat([same_BC[:, :num_pairs], same_BC[:, num_pairs:] | none_BC], 1)


def _weighted(losses: Sequence[Tensor], weights: Sequence[float] | None) -> Tensor:
    """Mean of the dims' losses by weights, each as a share of their sum."""
    each = torch.stack(list(losses))
    if weights is None:
        return each.mean()
    shares = torch.tensor(weights, dtype=each.dtype, device=each.device)
    return each @ (shares / shares.sum())


def _unit(rows: Tensor, dim: int) -> Tensor:
    """Prefixes of unit length, in float32 or float64."""
    return nn.functional.normalize(_exact(rows[:, :dim]), dim=-1)


def _exact(rows: Tensor) -> Tensor:
    return rows if rows.dtype == torch.float64 else rows.float()
