"""Training on a GPU: steps of late fusion in a process group of one, with nccl (gloo in a rehearsal)."""

from collections.abc import Iterator
from itertools import islice
from statistics import median

import torch
from torch import distributed as dist
from torch.distributed import HashStore  # type: ignore[attr-defined]

from evaluate.bench.embed.gpu import matrix_rate
from evaluate.bench.gpu.sizes import Sizes
from evaluate.bench.shape import Row
from evaluate.bench.train.gpu import GOAL, WARM, gpu_spec, lesson, operations, step_seconds
from train.fit.parallel import group_workers


def train_rows(sizes: Sizes) -> Iterator[Row]:
    """Samples a second, share of the arithmetic, memory."""
    cuda = sizes.device == "cuda"
    warm, backend = (WARM, "nccl") if cuda else (1, "gloo")
    dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)
    try:
        spec = gpu_spec(sizes.batch)
        text = {**sizes.text, "hidden_size": spec.encoder.dims[0]}
        strategy, frames = lesson(spec, warm + sizes.steps + 2, sizes.device, text, sizes.clip_s)
        steps = step_seconds(strategy, spec, sizes.device, group_workers())
        spent = median(list(islice(steps, warm + sizes.steps))[warm:])
        flops = operations(strategy.model, frames) * sizes.batch
    finally:
        dist.destroy_process_group()
    what = (
        f"late fusion of Qwen3-0.6B's size, batches of {sizes.batch} clips of {sizes.clip_s:g} s, bfloat16, {backend}"
    )
    yield Row(what, "none", 1 / spent, None, "steps/s", reason="there is no peer; this is our own speed")
    rate = matrix_rate(sizes.device, sizes.matrix)
    yield Row(f"{what}: share of the arithmetic", f"one product of matrices, {rate / 1e12:.3g} Tflop/s",
              flops / spent / 1e12, rate / 1e12, "Tflop/s", GOAL)  # fmt: skip
    if cuda:
        total = torch.cuda.get_device_properties(0).total_memory / 1e9
        peak = torch.cuda.max_memory_allocated() / 1e9
        yield Row(f"{what}: peak memory", "all of the device", peak, total, "GB", lower_is_better=True)
