"""What was measured, and its two written forms: JSON for programs, Markdown for people; the caller writes files."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from evaluate.measures.bootstrap import Interval

ByDim = dict[int, dict[str, Interval]]


@dataclass(frozen=True)
class System:
    """One way to make the vectors, measured at each dim: {dim: {measure: interval}}."""

    name: str
    by_dim: ByDim
    difference: ByDim = field(default_factory=dict)  # this - the task's baseline, paired by query; empty for itself

    @property
    def full_dim(self) -> int:
        return max(self.by_dim)


@dataclass(frozen=True)
class Task:
    """Questions asked of one collection."""

    name: str
    queries: int
    documents: int
    chance: dict[str, float]  # measure -> what a random ranking reaches
    systems: tuple[System, ...]
    baseline: str | None = None  # the system that `difference` is taken to


@dataclass(frozen=True)
class Report:
    """All tasks, and what a reader needs to repeat them: model, date, machine, seed..."""

    tasks: tuple[Task, ...]
    about: dict[str, str] = field(default_factory=dict)


def as_json(report: Report) -> dict[str, Any]:
    """Plain values; dims become strings, as JSON's keys are."""
    return {"about": dict(report.about), "tasks": [_task_json(task) for task in report.tasks]}


def as_markdown(report: Report) -> str:
    """What it is about, then for each task a table per measure, and one of differences where there is a baseline."""
    about = "\n".join(f"- {key}: {value}" for key, value in report.about.items())
    parts = ["# Evaluation", *([about] if about else [])]
    for task in report.tasks:
        parts += _task_markdown(task)
    return "\n\n".join(parts) + "\n"


def _task_json(task: Task) -> dict[str, Any]:
    systems = [
        {"name": one.name, "by_dim": _plain(one.by_dim), "difference": _plain(one.difference)} for one in task.systems
    ]
    return {
        "name": task.name,
        "queries": task.queries,
        "documents": task.documents,
        "chance": dict(task.chance),
        "baseline": task.baseline,
        "systems": systems,
    }


def _plain(by_dim: ByDim) -> dict[str, dict[str, dict[str, float]]]:
    return {str(dim): {name: asdict(one) for name, one in cells.items()} for dim, cells in by_dim.items()}


def _task_markdown(task: Task) -> list[str]:
    parts = [f"## {task.name}", f"{task.queries} queries, {task.documents} documents; mean [95 % interval]."]
    dims = sorted({dim for one in task.systems for dim in one.by_dim}, reverse=True)
    for measure, by_chance in task.chance.items():
        rows = [[one.name, *_cells(one.by_dim, dims, measure, str)] for one in task.systems]
        rows.append(["chance", *[f"{by_chance:.3f}"] * len(dims)])
        parts.append(_table([measure, *map(str, dims)], rows))
        compared = [one for one in task.systems if one.difference]
        if compared:
            rows = [[one.name, *_cells(one.difference, dims, measure, _signed)] for one in compared]
            parts.append(_table([f"{measure} minus {task.baseline}", *map(str, dims)], rows))
    return parts


def _cells(by_dim: ByDim, dims: list[int], measure: str, form: Callable[[Interval], str]) -> list[str]:
    """One cell per dim; a dash where it was not measured."""
    found = [by_dim.get(dim, {}).get(measure) for dim in dims]
    return ["-" if one is None else form(one) for one in found]


def _signed(one: Interval) -> str:
    return f"{one.mean:+.3f} [{one.low:+.2f}, {one.high:+.2f}]"


def _table(header: list[str], rows: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])
