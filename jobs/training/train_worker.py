"""Data-parallel worker of `deglu train`: runs the loop from the newest checkpoint on and sends its events."""

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
from jobs.cluster.handshake import check
from jobs.training.event_channel import CheckpointSaved, WorkerEvent, WorkersStart
from jobs.training.teacher import Lesson, strategy_of
from train.fit.checkpoint import Checkpoints, State
from train.fit.loop import num_steps, run
from train.fit.parallel import group_workers
from train.spec import TrainSpec

log = logging.getLogger(__name__)

SEND_EVERY_S = 0.5


def train_worker(config: Mapping[str, Any]) -> None:
    """Train to the end, or report why that is not possible.

    An error that a restart may cure (a lost peer, which is any RuntimeError) is raised, so that Ray restarts all
    workers; any other error is sent to the channel first, and restarted workers then end at once.
    """
    channel, rank = config["channel"], ray.train.get_context().get_world_rank()
    if ray.get(channel.over.remote()) is not None:
        return
    if rank == 0:
        ray.get(channel.start.remote())
    try:
        lesson, checkpoints, terms = ray.get(config["task"])
        check(terms)  # this machine may have joined after all were asked
        _train(TrainSpec.parse(config["spec"]), lesson, checkpoints, EventSender(channel, rank == 0))
    except DegluError as error:
        ray.get(channel.give_up.remote(error))
        raise
    except RuntimeError:
        raise
    except Exception as error:
        if _group_is_gone():
            raise
        log.exception("this worker has failed")
        # A RuntimeError: other classes may fail to unpickle on the driver.
        ray.get(channel.give_up.remote(RuntimeError(f"in a worker: {type(error).__name__}: {error}")))
        raise


def _group_is_gone() -> bool:
    """Whether Ray has ended the workers' group, since a peer was lost: torch then raises a ValueError."""
    return ray.train.get_context().get_world_size() > 1 and not torch.distributed.is_initialized()


def _train(spec: TrainSpec, lesson: Lesson, checkpoints: Checkpoints, events: "EventSender") -> None:
    context, device = ray.train.get_context(), str(get_device())
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // context.get_local_world_size()))
    workers = group_workers()
    strategy = strategy_of(spec, lesson, device)
    start = workers.agree(checkpoints.newest() if workers.rank == 0 else None)

    def save(state: State) -> None:
        checkpoints.save(state)
        events.send(CheckpointSaved(state.step))

    total = num_steps(strategy, spec.optimiser.epochs)
    events.send(WorkersStart(start.step if start else 0, total, workers.world, spec.optimiser.micro_batch))
    try:
        for event in run(strategy, spec, start=start, workers=workers, device=device, save=save):
            events.send(event)
    finally:
        events.flush()


class EventSender:
    """Sends events into the channel, a few times a second, without waiting for it."""

    def __init__(self, channel: Any, enabled: bool) -> None:
        self._channel, self._enabled = channel, enabled
        self._events: list[WorkerEvent] = []
        self._last = 0.0

    def send(self, event: WorkerEvent) -> None:
        self._events.append(event)
        # A saved checkpoint shows the channel that the workers make progress: it must not be lost with them.
        if isinstance(event, CheckpointSaved) or time.monotonic() - self._last > SEND_EVERY_S:
            self._send()

    def flush(self) -> None:
        """Send the rest; returns when all events have arrived."""
        sent = self._send()
        if sent is not None:
            ray.get(sent)

    def _send(self) -> Any:
        events, self._events, self._last = self._events, [], time.monotonic()
        return self._channel.put.remote(events) if self._enabled else None
