"""What a data-parallel worker of `deglu train` does: the loop from the newest checkpoint on, telling as it goes."""

import logging
import os
import time
from collections.abc import Mapping
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import get_device

from embed.errors import DegluError
from jobs.training.postbox import Began, Kept, Told
from jobs.training.teacher import Lesson, strategy_of
from train.fit.checkpoint import Checkpoints, State
from train.fit.loop import num_steps, run
from train.fit.parallel import together
from train.spec import TrainSpec

log = logging.getLogger(__name__)

TELL_EVERY_S = 0.5


def train_worker(config: Mapping[str, Any]) -> None:
    """Train to the end, or say why that is not possible.

    What a restart may cure (a lost peer, which looks like any RuntimeError) is raised, for Ray to start all workers
    again; for what it cannot the postbox is told first, and the workers that are started then end at once.
    """
    box, rank = config["postbox"], ray.train.get_context().get_world_rank()
    if ray.get(box.over.remote()) is not None:
        return
    if rank == 0:
        ray.get(box.start.remote())
    try:
        lesson, checkpoints = ray.get(config["task"])
        _train(TrainSpec.parse(config["spec"]), lesson, checkpoints, Teller(box, rank == 0))
    except DegluError as error:
        ray.get(box.give_up.remote(error))
        raise
    except RuntimeError:
        raise
    except Exception as error:
        log.exception("this worker has failed")
        # A plain one: others may not survive the journey to the driver.
        ray.get(box.give_up.remote(RuntimeError(f"in a worker: {type(error).__name__}: {error}")))
        raise


def _train(spec: TrainSpec, lesson: Lesson, checkpoints: Checkpoints, teller: "Teller") -> None:
    context, device = ray.train.get_context(), str(get_device())
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // context.get_local_world_size()))
    workers = together()
    strategy = strategy_of(spec, lesson, device)
    start = workers.agree(checkpoints.newest() if workers.rank == 0 else None)

    def save(state: State) -> None:
        checkpoints.save(state)
        teller.tell(Kept(state.step))

    total = num_steps(strategy, spec.optimiser.epochs)
    teller.tell(Began(start.step if start else 0, total, workers.world, spec.optimiser.micro_batch))
    try:
        for event in run(strategy, spec, start=start, workers=workers, device=device, save=save):
            teller.tell(event)
    finally:
        teller.flush()


class Teller:
    """Puts events into the postbox, a few times a second, without waiting for it."""

    def __init__(self, box: Any, heard: bool) -> None:
        self._box, self._heard = box, heard
        self._events: list[Told] = []
        self._last = 0.0

    def tell(self, event: Told) -> None:
        self._events.append(event)
        # That a step is kept tells the postbox that the workers get on: it must not die with them.
        if isinstance(event, Kept) or time.monotonic() - self._last > TELL_EVERY_S:
            self._send()

    def flush(self) -> None:
        """Returns when all of it has arrived."""
        sent = self._send()
        if sent is not None:
            ray.get(sent)

    def _send(self) -> Any:
        events, self._events, self._last = self._events, [], time.monotonic()
        return self._box.put.remote(events) if self._heard else None
