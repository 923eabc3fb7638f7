"""Written forms of a report: JSON for programs, Markdown for people; the caller writes the files."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from evaluate.results import ByDim, Interval, Report, Task


def as_json(report: Report) -> dict[str, Any]:
    """Plain values; dims become strings, as JSON's keys are."""
    return {"about": dict(report.about), "tasks": [_task_json(task) for task in report.tasks]}


def as_markdown(report: Report) -> str:
    """The report's data, then for each task a table per measure, and one of differences where there is a baseline."""
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
