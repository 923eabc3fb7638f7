"""Ray tasks over the parts of a dataset: `index.building.survey.InTasks` for datasets too large for one process.

Workers import this module, so it imports little.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray

from index.building.survey import Made
from index.contracts import VectorsPart
from jobs.cluster.attempts import ATTEMPTS, Attempts
from jobs.cluster.worker_errors import plain_errors


@dataclass(frozen=True)
class RayTasks:
    """At most `workers` tasks at a time, as many as Ray has cores where it is None; inside a `ray_session`."""

    workers: int | None = None
    attempts: Attempts = ATTEMPTS
    options: Mapping[str, Any] = field(default_factory=dict)  # of Ray, for each task: which machines may run it

    def __call__(self, act: Callable[[VectorsPart], Made], parts: Sequence[VectorsPart]) -> Iterator[Made]:
        """The results in order of completion.  Raises what `act` raises, WorkLeftUndone where a part kills workers."""
        retries = self.attempts.task_retries
        task = ray.remote(num_cpus=1, max_retries=retries, **self.options)(_done)
        shared = ray.put(act)  # once for each machine: coders may be large
        waiting = list(parts)
        running: list[Any] = []
        try:
            while waiting or running:
                while waiting and len(running) < (self.workers or _cores()):
                    running.append(task.remote(shared, waiting.pop(0)))
                ready, running = ray.wait(running)
                with plain_errors(retries):
                    made = ray.get(ready[0])
                yield made
        finally:
            for left in running:
                ray.cancel(left)


def _done(act: Callable[[VectorsPart], Made], part: VectorsPart) -> Made:
    return act(part)


def _cores() -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))
