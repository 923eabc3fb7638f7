"""Several real workers on this machine: processes joined by gloo through a file."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn


def run_workers(task: Callable[..., Any], num: int, folder: Path, *arguments: Any) -> list[Any]:
    """What `task(*arguments)` returns in each of `num` processes of one process group, in order of rank.

    The task is a function of a module, and returns what torch.save takes.  Raises where one of them does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spawn(_worker, (num, folder, task, arguments), nprocs=num)  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(num)]


def _worker(rank: int, num: int, folder: Path, task: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=num)
    try:
        torch.save(task(*arguments), folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()
