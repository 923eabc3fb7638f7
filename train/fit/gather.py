"""Rows of all workers in one tensor, with gradients: what the losses need of the process group, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable

from train.losses import ALONE, Gather


def with_gradient(group: dist.ProcessGroup | None, rows: Sequence[int]) -> Gather:
    """What joins a batch of which worker i of the group holds `rows[i]`; None is the default group.

    One worker needs no group at all.  All workers call it, and what it returns, in the same order.
    """
    if len(rows) == 1:
        return ALONE
    return Together(group, tuple(rows), dist.get_rank(group))


@dataclass(frozen=True)
class Together:
    """`train.losses.Gather` over a process group."""

    group: dist.ProcessGroup | None
    rows: tuple[int, ...]  # of each worker
    rank: int

    @property
    def first(self) -> int:
        return sum(self.rows[: self.rank])

    def __call__(self, rows: Tensor, /) -> Tensor:
        found: Tensor = _AllRows.apply(rows, self)  # type: ignore[no-untyped-call]
        return found

    def mean(self, rows_B: Tensor, /) -> Tensor:
        return rows_B.sum() * (len(self.rows) / sum(self.rows))

    def shared(self, parameter: Tensor, /) -> Tensor:
        found: Tensor = _MeanGradient.apply(parameter, self)  # type: ignore[no-untyped-call]
        return found


class _AllRows(torch.autograd.Function):
    """Forward: all workers' rows.  Backward: the sum of what all workers ask of one's own."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, together: Together) -> Tensor:
        if len(own) != together.rows[together.rank]:
            raise ValueError(f"worker {together.rank} has {len(own)} rows, not {together.rows[together.rank]}")
        ctx.together = together
        most = max(together.rows)
        # Workers exchange tensors of one size; what is behind a worker's last row is cut off again.
        sent = own.contiguous() if len(own) == most else own.new_zeros(most, *own.shape[1:])
        if len(own) != most:
            sent[: len(own)] = own
        parts = [torch.empty_like(sent) for _ in together.rows]
        dist.all_gather(parts, sent, group=together.group)
        return torch.cat([part[:num] for part, num in zip(parts, together.rows, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        together: Together = ctx.together
        # gloo's reduce-scatter wants equal parts; a sum of all is as right, and these are vectors, not weights.
        summed = gradient.contiguous().clone()
        dist.all_reduce(summed, group=together.group)
        return summed[together.first : together.first + together.rows[together.rank]], None


class _MeanGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameter: Tensor, together: Together) -> Tensor:
        ctx.together = together
        return parameter.view_as(parameter)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        summed = gradient.clone()
        dist.all_reduce(summed, group=ctx.together.group)
        return summed / len(ctx.together.rows), None
