"""Written forms of a report: JSON for programs, Markdown for people; the caller writes the files."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from evaluate.measures.names import NDCG
from evaluate.report.codes import code_lines, code_tables
from evaluate.report.costs import cost_line, cost_table
from evaluate.report.headroom import NOTE, TITLE, headroom_table, signed
from evaluate.report.sections import sections_json, sections_markdown
from evaluate.results import ByDim, Health, Interval, Report, System, Task


def as_json(report: Report) -> dict[str, Any]:
    """Plain values; dims become strings, as JSON's keys are."""
    tasks = [_task_json(task) for task in report.tasks]
    return {"about": dict(report.about), "tasks": tasks, **sections_json(report)}


def as_markdown(report: Report) -> str:
    """The report's data and its first table; then for each task a table per measure, and of differences."""
    about = "\n".join(f"- {key}: {value}" for key, value in report.about.items())
    parts = ["# Evaluation", *([about] if about else []), f"## {TITLE}", NOTE]
    for task in report.tasks:
        parts += [f"{task.name}, {task.queries} queries, {task.documents} documents:", _table(*headroom_table(task))]
    for task in report.tasks:
        parts += _task_markdown(task)
    parts += sections_markdown(report)
    return "\n\n".join(parts) + "\n"


def _task_json(task: Task) -> dict[str, Any]:
    systems = [
        {
            "name": one.name,
            "by_dim": _plain(one.by_dim),
            "difference": _plain(one.difference),
            "loss": _plain(one.loss),
            "headroom": {str(dim): asdict(found) for dim, found in one.headroom.items()},
            "widths": {str(dim): asdict(width) for dim, width in one.widths.items()},
            "codings": [asdict(found) for found in one.codings],
            "projector": [
                {**asdict(found), "by_dim": {str(dim): asdict(cell) for dim, cell in found.by_dim.items()}}
                for found in one.ranks
            ],
            "cost": asdict(one.cost) if one.cost else None,
            "smallest_within_1_percent": one.smallest(NDCG),
            "health": asdict(one.health) if one.health else None,
        }
        for one in task.systems
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
        rows = [[one.name, *cells(one.by_dim, dims, measure, str)] for one in task.systems]
        rows.append(["chance", *[f"{by_chance:.3f}"] * len(dims)])
        parts.append(_table([measure, *map(str, dims)], rows))
        compared = [one for one in task.systems if one.difference]
        if compared:
            rows = [[one.name, *cells(one.difference, dims, measure, signed)] for one in compared]
            parts.append(_table([f"{measure} minus {task.baseline}", *map(str, dims)], rows))
    return [
        *parts,
        *_widths_markdown(task, dims),
        *_codes_markdown(task),
        *_costs_markdown(task),
        *_health_markdown(task),
    ]


def _widths_markdown(task: Task, dims: list[int]) -> list[str]:
    """What narrower vectors keep: for each system, what it loses, and what its prefixes have."""
    parts = []
    for one in task.systems:
        if not one.widths:
            continue
        parts += [_table([f"{one.name}: what is kept", *map(str, dims)], width_rows(one, dims)), smallest_line(one)]
    return parts


def _codes_markdown(task: Task) -> list[str]:
    """What few bytes and few ranks keep, of the systems that were coded."""
    parts = []
    for one in task.systems:
        parts += [_table([title, *header[1:]], rows) for title, header, rows in code_tables(one)]
        parts += ["\n".join(f"- {line}" for line in lines)] if (lines := code_lines(one)) else []
    return parts


def _costs_markdown(task: Task) -> list[str]:
    table = cost_table(task)
    return [_table(*table), cost_line(task)] if table else []


def width_rows(system: System, dims: Sequence[int]) -> list[list[str]]:
    """Rows of the table of what narrower vectors keep, a cell for each dim."""
    at = [system.widths.get(dim) for dim in dims]
    return [
        [f"{NDCG} minus full", *cells(system.loss, dims, NDCG, signed)],
        ["same ten nearest", *[f"{width.overlap:.0%}" if width else "-" for width in at]],
        ["variance", *[f"{width.energy:.0%}" if width else "-" for width in at]],
        ["effective rank", *[f"{width.effective_rank:.0f}" if width else "-" for width in at]],
        ["bytes in float16", *[f"{width.bytes:,}" if width else "-" for width in at]],
    ]


def smallest_line(system: System) -> str:
    """The sentence on the smallest width within 1 % of full."""
    dim, full = system.smallest(NDCG), system.full_dim
    if dim == full:
        return f"{system.name}: no narrower width is within 1 % of the full width's {NDCG}."
    return (
        f"{system.name}: the smallest width within 1 % of the full {full} ({NDCG}) is {dim}: {full / dim:g} times fewer"
        f" bytes, {signed(system.loss[dim][NDCG])}."
    )


def _health_markdown(task: Task) -> list[str]:
    """Health of each system's space, with advice where a measure is high."""
    known = [(one.name, one.health) for one in task.systems if one.health]
    if not known:
        return []
    rows = [[name, *health_cells(health)] for name, health in known]
    advice = [f"- {name}: {line}" for name, health in known for line in health.advice]
    return [_table(["health of the space", *HEALTH], rows), *(["\n".join(advice)] if advice else [])]


HEALTH = ("gap", "anisotropy", "hubness", "documents that are nobody's neighbour")


def health_cells(health: Health) -> list[str]:
    """A cell for each of HEALTH."""
    return [f"{health.gap:.2f}", f"{health.anisotropy:.2f}", f"{health.hubness:.1f}", f"{health.never:.0%}"]


def cells(by_dim: ByDim, dims: Sequence[int], measure: str, form: Callable[[Interval], str]) -> list[str]:
    """One cell per dim; a dash where it was not measured."""
    found = [by_dim.get(dim, {}).get(measure) for dim in dims]
    return ["-" if one is None else form(one) for one in found]


def _table(header: list[str], rows: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])
