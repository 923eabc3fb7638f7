"""Loop of embedding: runs the units that are left and reads what was committed, until no unit is left.

    plan(left) -> waves of parcels -> Ray Data: (cut by tasks ->) encode and commit by actors -> observe
                                                                  units that kill their worker -> isolate
                                                                  machines at fault -> given up, their units again

- A parcel is one block of Ray Data, a row of it one unit: a worker that dies loses one parcel.
- A wave is bounded, so that the plan of a large archive is not in Ray's memory all at once.
- Meanwhile staged units are folded into data files, so that staging stays small.
"""

import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, partial
from shlex import quote
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
import ray.exceptions

from embed.dataset.job import Job
from embed.dataset.publish import committed, publish_draft
from embed.dataset.staging import attempts, forgive_attempts, staged
from embed.errors import DegluError, SpecError, WorkLeftUndone
from embed.quantities import many
from embed.spec import EmbedSpec
from embed.tables import ID
from jobs.cluster.attempts import ATTEMPTS, Attempts
from jobs.cluster.handshake import check
from jobs.cluster.machines import Fault, Machines, NoMachineLeft, cores_of_each
from jobs.cluster.worker_errors import reason_of
from jobs.embedding.encode_worker import LEFT, EncodeWorker, WorkOrder, cut_ahead
from jobs.embedding.isolate import Isolation, embed_alone
from jobs.embedding.parcels import parcels
from jobs.embedding.watch import FailureLimit, Watch

WAVE = 2_000  # parcels
FOLD_UNITS, FOLD_BYTES = 5_000, 64 << 20  # staged, until they are folded
ROW_BYTES = 250  # without the vector

log = logging.getLogger(__name__)


class TooManyFailed(WorkLeftUndone):
    """More assets failed than the spec allows: the job was stopped early."""


def run_units(spec: EmbedSpec, order: WorkOrder, todo: pa.Table, assets: int, watch: Watch) -> None:
    """Commit all of `todo`.

    Raises WorkLeftUndone with the units that no pass could finish, or where no machine can run a worker, TooManyFailed.
    """
    watch.unfinished = lambda: _unfinished(loop, todo)
    loop = _Loop(
        spec, order, watch, FailureLimit(todo, assets, spec.max_failed_fraction), Folder(order.job, order.attempts)
    )
    difficult, state, fruitless, reason = _tried(todo, order), (0, 0, 0), 0, ""
    loop.machines.wait_for_room(spec.stall_s)
    while todo.num_rows and fruitless < order.attempts.fruitless_passes:
        try:
            loop.machines.probe_new()
            loop.run(todo.filter(pc.invert(difficult))) if not all(difficult.to_pylist()) else loop.isolate(todo)
        except NoMachineLeft:
            loop.forgive(todo)
            raise
        except ray.exceptions.RayError as error:
            reason = reason_of(error)
            watch.restarted(f"the pass was interrupted, a worker failed: {reason}")
            if loop.machines.probe_again():
                loop.forgive(todo)
        todo = loop.left(todo)
        difficult = _tried(todo, order)
        before = state
        state = todo.num_rows, pc.sum(difficult, min_count=0).as_py(), len(loop.machines.faults)
        fruitless = fruitless + 1 if state == before else 0
    loop.folder.finish()
    if todo.num_rows:
        raise WorkLeftUndone(_left_undone(todo, reason))


@dataclass
class _Loop:
    """State that all passes share."""

    spec: EmbedSpec
    order: WorkOrder
    watch: Watch
    limit: FailureLimit
    folder: "Folder"
    observed: set[bytes] = field(default_factory=set)  # units, where this is a retry

    @cached_property
    def machines(self) -> Machines:
        return Machines(partial(check, self.order.terms), self.watch.progress.note, float(self.order.gpu))

    def forgive(self, units: pa.Table) -> None:
        """After a pass that a machine's fault has ended: units that were in progress are not suspect."""
        started = attempts(self.order.job)
        forgive_attempts(self.order.job, [unit for unit in units["unit_id"].to_pylist() if unit in started])

    def left(self, units: pa.Table) -> pa.Table:
        """Those that are not committed; a retry ignores ledger rows of earlier runs."""
        job, is_retry = self.order.job, self.order.planned is None
        done = pa.array([*staged(job), *self.observed], ID) if is_retry else committed(job)
        return units.filter(pc.invert(pc.is_in(units["unit_id"], value_set=done)))

    def run(self, units: pa.Table) -> None:
        """One pass over units, in waves."""
        given_up = len(self.machines.faults)
        unit_ms, unit_bytes = self.spec.segment.unit_s * 1000, self.spec.passage.unit_bytes
        blocks = parcels(units, unit_ms, unit_bytes)
        for first in range(0, len(blocks), WAVE):
            some = blocks[first : first + WAVE]
            if first:  # another driver may have committed some of them meanwhile
                some = parcels(self.left(pa.concat_tables(some)), unit_ms, unit_bytes)
            # Closed before Ray is shut down, also by Ctrl-C: its threads must not outlive Ray.
            with closing(self._stream(some)) as batches:
                for outcomes in batches:
                    self._observe(self._without_left(outcomes))
            if len(self.machines.faults) > given_up:
                return  # the next pass has the units that were left, and not these machines

    def isolate(self, units: pa.Table) -> None:
        """Units that may kill their worker, each alone."""
        self.watch.progress.note(
            f"{many(units.num_rows, 'unit')} were started before and not finished: each runs alone now, until one has"
            " stopped its worker"
        )
        alone = Isolation(self.order, self.machines, *self._resources())
        try:
            embed_alone(self.order, units, alone, self._observe)
        finally:
            alone.close()
            self.watch.update(restarts=self.watch.run.restarts + alone.deaths)

    def _without_left(self, outcomes: pa.Table) -> pa.Table:
        """OUTCOMES without the units that machines at fault have left to others; these machines are given up."""
        is_left = pc.equal(outcomes["outcome"], LEFT)
        for fault in pc.unique(outcomes.filter(is_left)["fault"]).to_pylist():
            self.machines.give_up(Fault.parse(fault))
        return outcomes.filter(pc.invert(is_left))

    def _observe(self, outcomes: pa.Table) -> None:
        if self.order.planned is None:
            self.observed.update(outcomes["unit_id"].to_pylist())
        self.watch.observe(outcomes)
        self.folder.after(outcomes, self.machines.options())
        if self.limit.observe(outcomes):
            self.watch.update(state="stopped")
            raise TooManyFailed(
                f"stopped early: {self.limit.failed} of {many(self.limit.assets, 'asset')} failed, more than"
                f" max_failed_fraction = {self.spec.max_failed_fraction:g} allows; finished work is kept:"
                f" see with: deglu failures {quote(self.order.job.url)}"
            )

    def _stream(self, blocks: list[pa.Table]) -> Any:
        """OUTCOMES as units are committed.  Storage is written by the stage, never by Ray's sinks.

        With a GPU, tasks on the CPU cores cut units ahead of it.  Without one the encoder takes nearly all the time
        (15 times that of decoding and speech detection), so its actors cut for themselves and share the cores.
        """
        cpus, gpus = self._resources()
        units = ray.data.from_arrow(blocks)
        if self.order.ahead:
            cut = cut_ahead(self.order)
            units = units.map_batches(
                cut, batch_size=None, batch_format="pyarrow", num_cpus=1, **self.machines.options()
            )
        # `map_batches` refuses GPUs without a batch size, since their memory may not hold a block.  The encoder makes
        # batches that its memory holds, and a parcel, which is a block, must not be joined with others.
        outcomes = units.map_batches_internal(
            EncodeWorker,
            fn_constructor_kwargs={"order": self.order},
            batch_size=None,
            batch_format="pyarrow",
            # A cluster that has lost machines continues with one worker.
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=self.spec.workers, initial_size=self.spec.workers),
            num_cpus=cpus,
            num_gpus=gpus,
            **self.machines.options(),
        )
        return iter(outcomes.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))

    def _resources(self) -> tuple[float, float]:
        """Cores and GPUs of one worker."""
        ahead = self.order.ahead or self.order.gpu
        cores = 1.0 if ahead else cores_of_each(self.spec.workers, self.machines.cores())
        return cores, float(self.order.gpu)


@dataclass
class Folder:
    """Folds staged units into data files while others are embedded; a Ray task, one at a time."""

    job: Job
    attempts: Attempts = ATTEMPTS
    units: int = 0
    size_bytes: int = 0
    _task: Any = field(default=None, repr=False)

    def after(self, outcomes: pa.Table, options: Mapping[str, Any]) -> None:
        """Folds where enough is staged; Ray's `options` choose the machines."""
        self.units += outcomes.num_rows
        rows = pc.sum(outcomes["rows"], min_count=0).as_py()
        self.size_bytes += rows * (2 * self.job.dims[0] + ROW_BYTES)
        if (self.units >= FOLD_UNITS or self.size_bytes >= FOLD_BYTES) and self._is_idle():
            self.units = self.size_bytes = 0
            task = ray.remote(num_cpus=0, max_retries=self.attempts.fold_retries, **options)(publish_draft)
            self._task = task.remote(self.job)

    def finish(self) -> None:
        """Wait for the task that runs; the publisher folds the rest."""
        if self._task is not None:
            ray.wait([self._task], timeout=600)
            self._is_idle()

    def _is_idle(self) -> bool:
        if self._task is None:
            return True
        ready, _ = ray.wait([self._task], timeout=0)
        if ready:
            self._task = None
            try:
                ray.get(ready[0])
            except (ray.exceptions.RayError, DegluError) as error:
                log.warning(
                    "%s: folding of staged units failed (%s); it is tried again later", self.job.url, reason_of(error)
                )
        return self._task is None


def offered_gpus(spec: EmbedSpec) -> bool:
    """Whether this job runs on GPUs.  Raises SpecError where it must and Ray has none."""
    offered = ray.cluster_resources().get("GPU", 0) > 0
    if spec.device == "gpu" and not offered:
        raise SpecError("device = gpu: Ray offers no GPU here; use device: auto, or a cluster with GPUs")
    return spec.device != "cpu" and offered


def _tried(todo: pa.Table, order: WorkOrder) -> pa.Array:
    """Mask of the units that have used up their starts, in this run or before."""
    counts = attempts(order.job)
    return pa.array([counts.get(unit, 0) >= order.starts for unit in todo["unit_id"].to_pylist()], pa.bool_())


def _unfinished(loop: _Loop, todo: pa.Table) -> list[str]:
    """Uris of units that were started and are not committed; two listings."""
    started = pa.array(list(attempts(loop.order.job)), ID)
    return [str(uri) for uri in loop.left(todo.filter(pc.is_in(todo["unit_id"], value_set=started)))["uri"].to_pylist()]


def _left_undone(todo: pa.Table, reason: str) -> str:
    names = ", ".join(sorted(set(todo["uri"].to_pylist()))[:5])
    why = f" (a worker failed: {reason})" if reason else ""
    return f"{many(todo.num_rows, 'unit')} could not be finished, of {names}{why}; finished work is kept: run again"
