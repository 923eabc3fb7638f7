"""Data-parallel workers from the view of one: their number, its rank, and their collective operations."""

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
    """Rank, number of workers and collective operations; by default one worker."""

    rank: int = 0
    world: int = 1
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module  # gradients become the mean over workers
    gather: Callable[[Sequence[int]], Gather] = lambda rows: ALONE  # from the number of rows of each worker
    agree: Callable[[Any], Any] = lambda value: value  # worker 0's value, on all workers


ONE_WORKER = Workers()


def group_workers(group: dist.ProcessGroup | None = None) -> Workers:
    """The workers of an existing process group; None is the default group."""
    return Workers(
        dist.get_rank(group),
        dist.get_world_size(group),
        lambda module: _data_parallel(module, group),
        lambda rows: with_gradient(group, rows),
        lambda value: _broadcast(value, group),
    )


def no_sync(module: nn.Module) -> Callable[[], AbstractContextManager[object]]:
    """Context in which a wrapped module exchanges no gradients."""
    return module.no_sync if isinstance(module, DistributedDataParallel) else nullcontext


def _data_parallel(module: nn.Module, group: dist.ProcessGroup | None) -> nn.Module:
    device = next(module.parameters()).device
    # Buffers are constants here, and need no exchange at every step.  torch versions with the newer name of this
    # option warn of the older one.
    names = inspect.signature(DistributedDataParallel.__init__).parameters
    option = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
    no_buffers: dict[str, Any] = {option: False}
    return DistributedDataParallel(
        module,
        device_ids=[device] if device.type == "cuda" else None,
        process_group=group,
        gradient_as_bucket_view=True,
        **no_buffers,
    )


def _broadcast(value: Any, group: dist.ProcessGroup | None) -> Any:
    box = [value]
    device = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend(group) == "nccl" else None
    dist.broadcast_object_list(box, src=0, group=group, device=device)
    return box[0]
