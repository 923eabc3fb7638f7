"""Event channel from the training workers to their driver, which waits in `fit` meanwhile.

The channel is an actor on the driver's node.  It also keeps, across restarts of the workers, the error that ends the
training for good, and the number of starts without a further checkpoint.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event as Flag
from threading import Thread
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from embed.errors import WorkLeftUndone
from jobs.cluster.attempts import ATTEMPTS, Attempts
from train.events import Event

EVERY_S = 0.3


@dataclass(frozen=True)
class WorkersStart:
    """A group of workers starts, for the first time or again."""

    step: int  # steps done
    of: int
    workers: int
    micro_batch: int


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint exists."""

    step: int


WorkerEvent = Event | WorkersStart | CheckpointSaved


class EventChannel:
    """Runs as an actor."""

    def __init__(self, attempts: Attempts = ATTEMPTS) -> None:
        self._restarts = attempts.restarts
        self._events: list[WorkerEvent] = []
        self._starts = 0
        self._furthest = -1
        self._over: Exception | None = None

    def put(self, events: list[WorkerEvent]) -> None:
        self._events += events
        saved = max((one.step for one in events if isinstance(one, CheckpointSaved)), default=-1)
        if saved > self._furthest:
            self._furthest, self._starts = saved, 0

    def take(self) -> list[WorkerEvent]:
        """The events since the last time."""
        events, self._events = self._events, []
        return events

    def start(self) -> None:
        """A group of workers is about to start."""
        self._starts += 1
        if self._starts > self._restarts:
            self.give_up(
                WorkLeftUndone(
                    f"the workers were lost {self._restarts} times in a row before they saved a checkpoint; earlier"
                    " checkpoints are kept. If memory ran out, lower optimiser.micro_batch or workers; save"
                    " checkpoints more often (checkpoints.every_steps); then run again"
                )
            )

    def give_up(self, error: Exception) -> None:
        """End the training: a restart cannot help; of several errors the first counts."""
        self._over = self._over or error

    def over(self) -> Exception | None:
        return self._over


@contextmanager
def event_channel(take: Callable[[WorkerEvent], None]) -> Iterator[ActorHandle]:
    """A channel whose events are passed to `take` as they arrive, on another thread; all of them before it ends.

    Raises the error that the workers gave up with, and errors of `take`.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # Where memory runs out Ray may kill the channel too; one that has lost its state is better than none.
    lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
    actor: Any = ray.remote(scheduling_strategy=here, **lasting)(EventChannel).remote()
    ended, failed = Flag(), list[BaseException]()

    def empty() -> None:
        try:
            while not ended.wait(EVERY_S):
                _hand_over(actor, take)
            _hand_over(actor, take)
        except Exception as error:
            failed.append(error)

    thread = Thread(target=empty, daemon=True)
    thread.start()
    over = None
    try:
        yield actor
        over = ray.get(actor.over.remote())
    finally:
        ended.set()
        thread.join()
        ray.kill(actor)
    if over is not None:
        raise over
    if failed:
        raise failed[0]


def _hand_over(actor: Any, take: Callable[[WorkerEvent], None]) -> None:
    for one in ray.get(actor.take.remote()):
        take(one)
