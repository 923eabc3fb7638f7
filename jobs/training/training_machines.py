"""Machines of a training: each proves that it has the driver's towers, work folder and recordings before it gets work.

Marks in the folders that all must share stay until the training ends: a machine that joins late proves itself too.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray

from embed.errors import SpecError, WorkLeftUndone
from embed.storage import store
from jobs.cluster.handshake import TOWER, Terms, Weights, check, local_files, marked
from jobs.cluster.machines import Machines
from jobs.command.progress import Progress
from jobs.training.check_towers import tower_digests
from jobs.training.teacher import Lesson
from train.spec import TrainSpec


@dataclass(frozen=True)
class TrainingMachines:
    """Ray's options of workers, and what each worker checks when it starts."""

    options: dict[str, Any]
    terms: Terms


@contextmanager
def training_machines(spec: TrainSpec, lesson: Lesson, progress: Progress) -> Iterator[TrainingMachines]:
    """Inside a Ray session.  Raises SpecError or WorkLeftUndone where too few machines can run the workers."""
    _check_room(spec)
    folders = {"work": lesson.work}
    if spec.checkpoints.url:
        folders["checkpoints.url"] = store.absolute(spec.checkpoints.url)
    with ExitStack() as stack:
        marks = [stack.enter_context(marked(field, url)) for field, url in folders.items()]
        files = (*marks, *local_files("sources", [clip.uri for clip in lesson.clips]))
        terms = Terms(_weights(spec), files, tuple(folders.items()))
        machines = Machines(partial(check, terms), progress.note, float(spec.gpu))
        machines.wait_for_room()
        machines.probe_new()
        _check_left(spec, machines)
        yield TrainingMachines(machines.options(), terms)


def _weights(spec: TrainSpec) -> tuple[Weights, ...]:
    names = {"text": spec.encoder.text.name, "speech": spec.encoder.speech.name if spec.encoder.speech else ""}
    return tuple(
        Weights(TOWER, f"encoder.{kind}.name", names[kind], digest) for kind, digest in tower_digests(spec).items()
    )


def _check_room(spec: TrainSpec) -> None:
    """SpecError for cores that this machine does not have: Ray would wait for ever; a cluster may still grow."""
    if os.environ.get("RAY_ADDRESS", "local") != "local":
        return
    kind, name = ("GPU", "GPUs") if spec.gpu else ("CPU", "cores")
    here = int(ray.cluster_resources().get(kind, 0))
    if _fewest(spec) > here:
        raise SpecError(f"workers = {spec.workers}, but there are {here} {name} here; lower it, or submit to a cluster")


def _check_left(spec: TrainSpec, machines: Machines) -> None:
    """WorkLeftUndone where the machines that are not given up have too little room: Ray would wait for ever."""
    if machines.faults and machines.slots() < _fewest(spec):
        raise WorkLeftUndone(
            f"{_fewest(spec)} workers are required, and there is room for {machines.slots()} on the machines that can"
            f" run one. {machines.causes()}. Checkpoints are kept: mend a machine, or lower `workers`, and run again"
        )


def _fewest(spec: TrainSpec) -> int:
    return spec.fewest_workers or spec.workers
