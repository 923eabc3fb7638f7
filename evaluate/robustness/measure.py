"""Measurement of robustness: a task is measured with its recordings as they are, then at each level of each change."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embed.errors import SpecError
from evaluate.measures.bootstrap import Values, difference, interval
from evaluate.measures.names import NDCG
from evaluate.models import Models
from evaluate.results import System, Task
from evaluate.robustness.changes import Changed
from evaluate.robustness.levels import LEVELS
from evaluate.robustness.results import Curve, Point, TaskRobustness, UnseenSpeaker
from evaluate.robustness.spec import RobustnessSpec
from evaluate.robustness.unseen import measure_unseen
from evaluate.spec import MeasureSpec, TaskSpec
from evaluate.systems import CEILING

log = logging.getLogger(__name__)

NARROW = 64  # the width that is measured next to the full one
Measure = Callable[[Models, TaskSpec], Task]


def measure_robustness(models: Models, spec: RobustnessSpec, measure: Measure) -> tuple[TaskRobustness, ...]:
    """Every chosen task under every change; `measure` measures one task.  Raises SpecError, InputError."""
    own = _spec(models, spec)
    return tuple(_task(models, own, task, spec, measure) for task in _tasks(models.spec.tasks, spec))


def measure_speakers(models: Models, spec: RobustnessSpec) -> tuple[UnseenSpeaker, ...]:
    """The unseen speakers of the spec's languages.  Raises SpecError, InputError, DataUnavailable."""
    own = models.reading(None, _spec(models, spec))
    return tuple(one for lang in spec.unseen for one in measure_unseen(own, lang))


def _tasks(tasks: Sequence[TaskSpec], spec: RobustnessSpec) -> list[TaskSpec]:
    spoken = {one.name: one for one in tasks if "speech" in one.direction}
    names = spec.tasks or tuple(spoken)
    for name in names:
        if name not in spoken:
            raise SpecError(
                f"field 'robustness.tasks': {name!r} is no task with recordings; give one of: {', '.join(spoken)}"
            )
    return [spoken[name] for name in names]


def _spec(models: Models, spec: RobustnessSpec) -> MeasureSpec:
    """The measurement's spec with the widths and systems of robustness: those that read the recording."""
    able = spec.systems or models.spec.systems
    if missing := [one for one in able if one not in models.spec.systems]:
        raise SpecError(f"field 'robustness.systems': {', '.join(missing)} is not among the systems; add it there")
    systems = tuple(one for one in able if one != CEILING)
    if not systems:
        raise SpecError(f"field 'robustness.systems': {CEILING} reads no recording; add a system that does")
    declared = models.spec.dims or models.model.dims
    dims = spec.dims or tuple(sorted({max(declared), min((d for d in declared if d >= NARROW), default=max(declared))}))
    if unknown := sorted(set(dims) - set(declared)):
        raise SpecError(f"field 'robustness.dims': {unknown} are not measured; give some of {sorted(declared)}")
    changes = {"ranks": None, "cost": None, "measures": (NDCG,), "baseline": None, "play": False}
    return models.spec.model_copy(update={"systems": systems, "dims": dims, **changes})


@dataclass(frozen=True)
class _Changes:
    """nDCG@10 of each query by level, with the unchanged at its place where it has one."""

    by_level: Mapping[float, Values]
    unchanged: Values
    neutral: float | None

    def area(self) -> Values:
        """Of each query, the mean over the range of levels, by trapezoids."""
        known = dict(self.by_level) | ({} if self.neutral is None else {self.neutral: self.unchanged})
        levels = np.asarray(sorted(known))
        values = np.stack([known[level] for level in levels])
        if len(levels) == 1:
            return known[levels[0]]
        area: Values = np.trapezoid(values, levels, axis=0) / (levels[-1] - levels[0])
        return area


def _task(models: Models, own: MeasureSpec, task: TaskSpec, spec: RobustnessSpec, measure: Measure) -> TaskRobustness:
    def measured(reader: Changed | None) -> dict[str, System]:
        return {one.name: one for one in measure(models.reading(reader, own), task).systems}

    unchanged = measured(None)
    dims = own.dims or ()
    curves = []
    for change in spec.changes:
        log.info("%s: %s", task.name, change)
        at = {level: measured(Changed(change, level, own.seed)) for level in spec.levels_of(change)}
        for system in own.systems:
            for dim in dims:
                values = {level: np.asarray(found[system].ndcg[dim]) for level, found in at.items()}
                clean = np.asarray(unchanged[system].ndcg[dim])
                curves.append(_curve(change, system, dim, _Changes(values, clean, LEVELS[change].neutral), own))
    means = {(one, dim): unchanged[one].by_dim[dim][NDCG] for one in own.systems for dim in dims}
    notes = tuple(f"{change}: {LEVELS[change].licence}" for change in spec.changes)
    queries = len(next(iter(unchanged.values())).ndcg[dims[0]])
    return TaskRobustness(task.name, queries, means, tuple(curves), notes)


def _curve(change: str, system: str, dim: int, found: _Changes, own: MeasureSpec) -> Curve:
    points = tuple(
        Point(
            level,
            interval(values, own.draws, own.seed),
            difference(values, found.unchanged, own.draws, own.seed),
        )
        for level, values in found.by_level.items()
    )
    area = interval(found.area(), own.draws, own.seed)
    clean = float(found.unchanged.mean())
    return Curve(change, system, dim, points, area, area.mean / clean if clean else 0.0)
