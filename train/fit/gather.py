"""Gathering of all workers' rows into one tensor, with gradients: all that the losses need of the process group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable

from train.losses import ALONE, Gather


def with_gradient(group: dist.ProcessGroup | None, rows: Sequence[int]) -> Gather:
    """The gather of a batch of which worker i of the group holds `rows[i]` rows; None is the default group.

    One worker needs no group.  All workers call this function, and its result, in the same order.
    """
    if len(rows) == 1:
        return ALONE
    return GroupGather(group, tuple(rows), dist.get_rank(group))


@dataclass(frozen=True)
class GroupGather:
    """`train.losses.Gather` over a process group."""

    group: dist.ProcessGroup | None
    rows: tuple[int, ...]  # of each worker
    rank: int

    @property
    def first(self) -> int:
        return sum(self.rows[: self.rank])

    def __call__(self, rows: Tensor, /) -> Tensor:
        all_rows: Tensor = _AllRows.apply(rows, self)  # type: ignore[no-untyped-call]
        return all_rows

    def mean(self, rows_B: Tensor, /) -> Tensor:
        return rows_B.sum() * (len(self.rows) / sum(self.rows))

    def shared(self, parameter: Tensor, /) -> Tensor:
        shared: Tensor = _MeanGradient.apply(parameter, self)  # type: ignore[no-untyped-call]
        return shared


class _AllRows(torch.autograd.Function):
    """Forward: all workers' rows.  Backward: the sum over workers of the gradients of this worker's rows."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, gather: GroupGather) -> Tensor:
        if len(own) != gather.rows[gather.rank]:
            raise ValueError(f"worker {gather.rank} has {len(own)} rows, not {gather.rows[gather.rank]}")
        ctx.gather = gather
        most = max(gather.rows)
        # Workers exchange tensors of equal size; the padding after a worker's last row is cut off again.
        sent = own.contiguous() if len(own) == most else own.new_zeros(most, *own.shape[1:])
        if len(own) != most:
            sent[: len(own)] = own
        parts = [torch.empty_like(sent) for _ in gather.rows]
        dist.all_gather(parts, sent, group=gather.group)
        return torch.cat([part[:num] for part, num in zip(parts, gather.rows, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gather: GroupGather = ctx.gather
        # gloo's reduce-scatter requires equal parts; all-reduce gives the same sums, and vectors are small.
        summed = gradient.contiguous().clone()
        dist.all_reduce(summed, group=gather.group)
        return summed[gather.first : gather.first + gather.rows[gather.rank]], None


class _MeanGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameter: Tensor, gather: GroupGather) -> Tensor:
        ctx.gather = gather
        return parameter.view_as(parameter)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        summed = gradient.clone()
        dist.all_reduce(summed, group=ctx.gather.group)
        return summed / len(ctx.gather.rows), None
