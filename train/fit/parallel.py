"""Data-parallel workers as one of them sees them: their number, its rank, and their collective operations."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from train.fit.gather import with_gradient
from train.losses import ALONE, Gather


@dataclass(frozen=True)
class Workers:
    """One worker by default."""

    rank: int = 0
    world: int = 1
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module  # its gradients become the mean over workers
    gather: Callable[[Sequence[int]], Gather] = lambda rows: ALONE  # by the rows that each worker holds
    agree: Callable[[Any], Any] = lambda value: value  # worker 0's value, in all workers


ONE_WORKER = Workers()


def together(group: dist.ProcessGroup | None = None) -> Workers:
    """The workers of a process group that exists already; None is the default one."""
    return Workers(
        dist.get_rank(group),
        dist.get_world_size(group),
        lambda module: _data_parallel(module, group),
        lambda rows: with_gradient(group, rows),
        lambda value: _agreed(value, group),
    )


def no_sync(module: nn.Module) -> Callable[[], AbstractContextManager[object]]:
    """What keeps a wrapped module from exchanging gradients."""
    return module.no_sync if isinstance(module, DistributedDataParallel) else nullcontext


def _data_parallel(module: nn.Module, group: dist.ProcessGroup | None) -> nn.Module:
    device = next(module.parameters()).device
    # Buffers are constants here, and need no exchange at every step.  The older name of this choice draws a warning
    # where the newer one is known.
    names = inspect.signature(DistributedDataParallel.__init__).parameters
    quiet: dict[str, Any] = {"forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers": False}
    return DistributedDataParallel(
        module,
        device_ids=[device] if device.type == "cuda" else None,
        process_group=group,
        gradient_as_bucket_view=True,
        **quiet,
    )


def _agreed(value: Any, group: dist.ProcessGroup | None) -> Any:
    box = [value]
    device = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend(group) == "nccl" else None
    dist.broadcast_object_list(box, src=0, group=group, device=device)
    return box[0]
