"""Results of an evaluation: intervals by dim, the systems of a task, the tasks of a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.2f}, {self.high:.2f}]"


ByDim = dict[int, dict[str, Interval]]
Run = Mapping[str, Mapping[str, float]]  # query -> document -> score, in order
Qrels = Mapping[str, Mapping[str, int]]  # query -> document -> relevance


@dataclass(frozen=True)
class System:
    """Results of one system at each dim: {dim: {measure: interval}}."""

    name: str
    by_dim: ByDim
    difference: ByDim = field(default_factory=dict)  # this - the task's baseline, paired by query; {} for the baseline
    run: Run = field(default_factory=dict)  # the first documents at the full dim; {} without ids

    @property
    def full_dim(self) -> int:
        return max(self.by_dim)


@dataclass(frozen=True)
class Task:
    """Results of the questions to one collection."""

    name: str
    queries: int
    documents: int
    chance: dict[str, float]  # measure -> expected value of a random ranking
    systems: tuple[System, ...]
    baseline: str | None = None  # the system that `difference` subtracts
    qrels: Qrels = field(default_factory=dict)  # {} without ids


@dataclass(frozen=True)
class Report:
    """All tasks, and the data that is required to repeat them: model, date, machine..."""

    tasks: tuple[Task, ...]
    about: dict[str, str] = field(default_factory=dict)
