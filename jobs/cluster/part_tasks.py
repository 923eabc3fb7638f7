"""Work on the parts of a dataset by Ray tasks: `index.building.survey.InTasks` for what is too large for one process.

Workers import this module, so it imports little.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray
import ray.exceptions

from embed.errors import DegluError, WorkLeftUndone
from index.building.survey import Made
from index.contracts import VectorsPart
from jobs.cluster.ray_session import last_line

RETRIES = 3  # of a task whose worker was killed


@dataclass(frozen=True)
class RayTasks:
    """At most `workers` tasks at a time, as many as Ray has cores where it is None; inside a `ray_session`."""

    workers: int | None = None

    def __call__(self, act: Callable[[VectorsPart], Made], parts: Sequence[VectorsPart]) -> Iterator[Made]:
        """The results as they come.  Raises what `act` raises, WorkLeftUndone where workers die of a part."""
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_done)
        shared = ray.put(act)  # once for each machine: coders may be large
        waiting = list(parts)
        running: list[Any] = []
        try:
            while waiting or running:
                while waiting and len(running) < (self.workers or _cores()):
                    running.append(task.remote(shared, waiting.pop(0)))
                ready, running = ray.wait(running)
                yield _result(ready[0])
        finally:
            for left in running:
                ray.cancel(left)


def _done(act: Callable[[VectorsPart], Made], part: VectorsPart) -> Made:
    return act(part)


def _result(ready: Any) -> Any:
    try:
        return ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, DegluError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise WorkLeftUndone(
            f"a worker was lost {RETRIES + 1} times ({last_line(error)}); what is done is kept: run again, where its "
            "memory ran out with fewer `workers`"
        ) from None


def _cores() -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))
