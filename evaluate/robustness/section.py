"""Section of a report on robustness: nDCG@10 by change and level, the area under each curve, the unseen speakers."""

from dataclasses import asdict

from evaluate.results import Interval
from evaluate.robustness.levels import LEVELS
from evaluate.robustness.results import Curve, TaskRobustness, UnseenSpeaker
from evaluate.sections import Panel, Section, Table


def section_of(found: TaskRobustness) -> Section:
    """Tables and plot of one task."""
    systems = list(dict.fromkeys(system for system, _ in found.unchanged))
    dims = sorted({dim for _, dim in found.unchanged}, reverse=True)
    columns = [(system, dim) for system in systems for dim in dims]
    names = [f"{system} {dim}" for system, dim in columns]
    curves = {(one.change, one.system, one.dim): one for one in found.curves}
    changes = list(dict.fromkeys(one.change for one in found.curves))
    by_level: list[list[str]] = [["unchanged", *(str(found.unchanged[key]) for key in columns)]]
    losses: list[list[str]] = []
    for change in changes:
        levels = [point.level for point in curves[change, *columns[0]].points]
        for row, level in enumerate(levels):
            points = [curves[change, *key].points[row] for key in columns]
            name = f"{change} {level:g}"
            by_level.append([name, *(str(one.ndcg) for one in points)])
            losses.append([name, *(_signed(one.difference) for one in points)])
    areas = [[change, *(_area(curves[change, *key]) for key in columns)] for change in changes]
    tables = [
        Table(["nDCG@10 by level", *names], by_level),
        Table(["nDCG@10 minus unchanged, paired by query", *names], losses),
        Table(["area: mean nDCG@10 over the levels (share of unchanged)", *names], areas),
    ]
    lines = [f"{found.queries} queries; recordings changed; mean [95 % interval]. Levels: {_units(changes)}."]
    panels = [_panel(found, change) for change in changes]
    title = f"robustness: {found.name}"
    return Section("robustness", title, lines, tables, "nDCG@10", panels, found.notes, _json(found))


def _area(curve: Curve) -> str:
    return f"{curve.area} ({curve.kept:.0%})"


def _units(changes: list[str]) -> str:
    return "; ".join(f"{change}: {LEVELS[change].axis}" for change in changes)


def _signed(one: Interval) -> str:
    return f"{one.mean:+.3f} [{one.low:+.2f}, {one.high:+.2f}]"


def _panel(found: TaskRobustness, change: str) -> Panel:
    neutral = LEVELS[change].neutral
    own = [one for one in found.curves if one.change == change]
    series = {}
    for one in own:
        points = {point.level: point.ndcg for point in one.points}
        if neutral is not None:
            points[neutral] = found.unchanged[one.system, one.dim]
        series[f"{one.system} {one.dim}"] = sorted(points.items())
    levels = {f"{one.system} {one.dim}": found.unchanged[one.system, one.dim] for one in own}
    return Panel(change, LEVELS[change].axis, series, levels)


def _json(found: TaskRobustness) -> dict[str, object]:
    unchanged = [
        {"system": system, "dim": dim, "ndcg": asdict(value)} for (system, dim), value in found.unchanged.items()
    ]
    return {
        "name": found.name,
        "queries": found.queries,
        "unchanged": unchanged,
        "curves": [asdict(one) for one in found.curves],
        "notes": list(found.notes),
    }


def speaker_section(found: UnseenSpeaker) -> Section:
    """Table of one language: what another speaker costs, with and without the telephone."""
    header = ["nDCG@10", "known", "known, GSM", "unseen", "unseen - known", "unseen - known, GSM"]
    rows = [
        [
            f"{one.system} {one.dim}",
            *(str(value) for value in (one.known, one.known_gsm, one.unseen)),
            *(_signed(value) for value in (one.difference, one.difference_gsm)),
        ]
        for one in found.scores
    ]
    lines = [
        f"{found.queries} prompts recorded by both speakers, {found.documents} documents; mean [95 % interval]. These"
        " recordings are reserved: score them once a release, and choose nothing by them."
    ]
    return Section(
        "unseen_speakers", f"unseen speaker: {found.name}", lines, [Table(header, rows)], "", [], [], asdict(found)
    )
