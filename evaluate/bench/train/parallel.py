"""Our loop in the workers of Ray Train, against a loop written by hand around DDP: steps a second, memory.

Same towers, same batches, same loss, same number of workers, one thread each, bfloat16 where ours has it.  The plain
loop runs twice: in the standard form, and with frozen weights and attention as in `train.fit.bfloat16`; the second
comparison leaves only the cost of Ray and of our loop.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from typing import Any

import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer
from torch import distributed as dist
from torch import nn
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]
from torch.nn.parallel import DistributedDataParallel

from embed.errors import DegluError
from embed.model.towers.precision import effective_precision
from evaluate.bench.shape import Row
from evaluate.bench.train.lesson import late_fusion, late_fusion_spec
from evaluate.bench.turns import HOST, PATIENCE, Alive, Spent, Start, measured, playing, processes
from jobs.cluster.ray_session import ray_session
from train.events import StepDone
from train.fit.bfloat16 import convert_frozen
from train.fit.gather import with_gradient
from train.fit.loop import run, warm_cosine
from train.fit.parallel import group_workers
from train.spec import TrainSpec
from train.strategy import At, Strategy

WORKERS = 2
OURS, PLAIN = "our loop in Ray Train", "the same loop in plain torch DDP"
EQUAL = f"{PLAIN}, its model made ready as ours"
GOAL = 0.95
CLOSE = 0.05  # losses of the same steps may differ by this share: bfloat16 is rounded at other places
SPARE = 4  # steps that are prepared ahead and not run


def parallel_rows(turns: int, per_turn: int, batch: int) -> list[Row]:
    """Speed and memory of both loops.  Raises DegluError where their losses differ."""
    steps = (turns + 1) * per_turn + SPARE
    with ray_session(cpus=WORKERS):
        task = {"steps": steps, "per_turn": per_turn, "batch": batch}
        ways: dict[str, Start] = {OURS: partial(ours, task)}
        ways |= {name: partial(plain, {**task, "name": name}) for name in (PLAIN, EQUAL)}
        spent = measured(ways, turns)
    check_losses(spent)
    what, mine = f"late fusion, {WORKERS} workers, batches of {batch}", spent[OURS]
    rows = []
    for name in (PLAIN, EQUAL):
        other = spent[name]
        rows += [
            Row(what, name, per_turn / mine.seconds, per_turn / other.seconds, "steps/s", GOAL),
            # The measure that other load on the machine changes least.
            Row(
                f"{what}, CPU of a worker",
                name,
                mine.cpu_s / per_turn,
                other.cpu_s / per_turn,
                "s/step",
                lower_is_better=True,
            ),
            Row(f"{what}, peak of a worker", name, mine.peak_mb, other.peak_mb, "MB", lower_is_better=True),
        ]
    return rows


def check_losses(spent: Mapping[str, Spent]) -> None:
    """Raises DegluError where the ways' losses differ: speeds of different trainings cannot be compared."""
    (first, expected), *others = spent.items()
    for name, found in others:
        for step, (one, other) in enumerate(zip(expected.losses, found.losses, strict=True)):
            if not abs(one - other) <= CLOSE * abs(other):
                raise DegluError(f"{first!r} and {name!r} differ at step {step}: losses {one:.4f} and {other:.4f}")


@contextmanager
def ours(task: Mapping[str, Any], port: int) -> Iterator[Alive]:
    """Ray Train's workers, as in `deglu train`."""
    trainer = TorchTrainer(
        ray_worker,
        train_loop_config={**task, "port": port},
        scaling_config=ray.train.ScalingConfig(num_workers=WORKERS),
        torch_config=TorchConfig(backend="gloo"),
    )
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(trainer.fit)
        yield lambda: not running.done()


def ray_worker(config: Mapping[str, Any]) -> None:
    torch.set_num_threads(1)
    spec = late_fusion_spec(config["batch"])
    rank = ray.train.get_context().get_world_rank()
    with playing(config["port"], OURS, config["per_turn"], rank == 0) as player:
        player.play(our_steps(late_fusion(spec, config["steps"]), spec))


def our_steps(strategy: Strategy, spec: TrainSpec) -> Iterator[float]:
    """Losses of this worker's share, step by step."""
    for event in run(strategy, spec, workers=group_workers()):
        if isinstance(event, StepDone):
            yield event.losses["loss"]


def plain(task: Mapping[str, Any], port: int) -> AbstractContextManager[Alive]:
    return processes(plain_worker, WORKERS, (dict(task), port))


def plain_worker(rank: int, task: Mapping[str, Any], port: int) -> None:
    torch.set_num_threads(1)
    name = task["name"]
    meeting = PrefixStore(name, TCPStore(HOST, port, is_master=False, timeout=PATIENCE))
    spec = late_fusion_spec(task["batch"])
    with playing(port, name, task["per_turn"], rank == 0) as player:
        dist.init_process_group("gloo", store=meeting, rank=rank, world_size=WORKERS)
        strategy = late_fusion(spec, task["steps"])
        if name == EQUAL and effective_precision("auto", "cpu") == "bfloat16":
            convert_frozen(strategy.module)
        player.play(plain_steps(strategy, spec, task["steps"]))
        dist.destroy_process_group()


def plain_steps(strategy: Strategy, spec: TrainSpec, total: int) -> Iterator[float]:
    """The standard loop: inputs, forward, loss, backward, clip, step."""
    rank, world, settings = dist.get_rank(), dist.get_world_size(), spec.optimiser
    module = DistributedDataParallel(strategy.module.train())
    parameters = list(strategy.parameters().values())
    optimiser = torch.optim.AdamW(parameters, settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_cosine(settings.warmup_steps, total))
    halved, step = effective_precision("auto", "cpu") == "bfloat16", count()
    for epoch in count():
        for position, batch in enumerate(strategy.batches(epoch)):
            members, at = batch[rank::world], At(next(step), epoch, position)
            inputs = strategy.inputs(members, at)
            with torch.autocast("cpu", torch.bfloat16, enabled=halved):
                vectors = module(*inputs).float()
            gather = with_gradient(None, [len(batch[one::world]) for one in range(world)])
            loss = strategy.loss(vectors, members, at, gather)["loss"]
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            optimiser.step()
            schedule.step()
            yield loss.item()
