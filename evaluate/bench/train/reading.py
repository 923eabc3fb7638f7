"""An epoch's batches read directly from the shards, as training does, against the same batches through Ray Data.

Both give the same padded frames in the same order, on one machine and from files in the page cache; Ray Data reads with
all cores, the loop with one thread, which in training runs next to the steps.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from embed.errors import DegluError
from evaluate.bench.shape import Row
from evaluate.bench.timing import interleaved
from evaluate.bench.train.cache import recorded
from evaluate.bench.train.lesson import late_fusion_spec
from jobs.cluster.ray_session import ray_session
from train.batches import batches
from train.frozen.features import Features, Shard, plan_shards
from train.frozen.frames import pack

DIRECT, RAY_DATA = "shards read in the epoch's order", "the same through Ray Data, its order kept"
GOAL = 1.0
OPEN: dict[object, Features] = {}


def reading_rows(rounds: int, num_batches: int, batch: int) -> list[Row]:
    """Clips a second by the clock.  Raises DegluError where the two ways give different frames."""
    with tempfile.TemporaryDirectory() as folder, ray_session():
        shards = made_up_shards(num_batches * batch, batch, Path(folder))
        features = _all_of(shards)
        order = batches(range(features.num_clips), features.length, batch, 0, 0)
        for mine, other in zip(direct(features, order), through_ray_data(shards, order), strict=True):
            if not torch.equal(mine, other):
                raise DegluError("Ray Data gave other frames, or the same in another order")
        ways = {DIRECT: lambda: _use(direct(features, order)), RAY_DATA: lambda: _use(through_ray_data(shards, order))}
        spent = interleaved(ways, rounds, time.perf_counter)
    what, clips = f"frames of an epoch, batches of {batch}", num_batches * batch
    return [Row(what, RAY_DATA, clips / spent[DIRECT], clips / spent[RAY_DATA], "clips/s", GOAL)]


def made_up_shards(num: int, batch: int, folder: Path) -> list[Shard]:
    """Shards of noise, with the lengths and the width of the demo tower's frames of real prompts."""
    spec, made = late_fusion_spec(batch), torch.Generator().manual_seed(0)
    (folder / "features").mkdir()
    shards = plan_shards(spec.encoder, recorded(num, folder), spec.features, spec.seed, f"{folder}/features")
    for shard in shards:
        frames = [torch.randn(length, shard.shape.width, generator=made) for length in shard.expected]
        save_file(pack(frames, shard.dtype), shard.url)
    return shards


def direct(features: Features, order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    for members in order:
        yield padded(features, members)


def through_ray_data(shards: Sequence[Shard], order: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """A row is a batch: tasks on all cores read it, and this process gets it through the object store."""
    rows = ray.data.from_items([{"members": list(members)} for members in order], override_num_blocks=len(order))
    rows.context.execution_options.preserve_order = True
    for row in rows.map(read, fn_args=[ray.put(shards)]).iter_rows():
        yield torch.from_numpy(np.array(row["frames"]))


def read(row: dict[str, Any], shards: ray.ObjectRef[Sequence[Shard]]) -> dict[str, Any]:
    if shards not in OPEN:  # a task's process reads many rows
        OPEN.clear()
        OPEN[shards] = _all_of(ray.get(shards))
    return {"frames": padded(OPEN[shards], row["members"]).numpy()}


def padded(features: Features, members: Sequence[int]) -> Tensor:
    """Frames [B, T, F] in float32, as a training step uses them."""
    return pad_sequence([features.frames(int(clip)) for clip in members], batch_first=True)


def _all_of(shards: Sequence[Shard]) -> Features:
    return Features(shards, sum(len(shard.clips) for shard in shards))


def _use(found: Iterator[Tensor]) -> None:
    for frames in found:
        frames.sum()
