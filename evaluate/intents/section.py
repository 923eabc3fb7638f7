"""Section of a report on intents: the shots that are required, F1 by shots and method, and by width."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from evaluate.intents.results import IntentResult, IntentScore
from evaluate.results import Interval
from evaluate.sections import Panel, Section, Table

GOALS = (0.90, 0.96)  # the method's paper reports .96 at 16 shots
Of = Callable[[IntentScore], Interval]


def section_of(found: IntentResult) -> Section:
    """Tables and plot of one measurement."""
    systems = list(dict.fromkeys(one.system for one in found.scores))
    tables = [table for system in systems for table in _tables(found, system)]
    panels = [_panel(found, system) for system in systems]
    lines = [
        f"{found.labels} intents, {found.test:,} requests in the test, examples of {found.pool:,} others, of other"
        f" templates; mean of {found.draws} draws [95 % of draws and of the test's templates]; by chance"
        f" {1 / found.labels:.3f} of the answers are right.",
        *(_needed(found, system) for system in systems),
    ]
    return Section("intents", f"intents: {found.name}", lines, tables, "macro F1", panels, found.notes, _json(found))


def _tables(found: IntentResult, system: str) -> list[Table]:
    own = [one for one in found.scores if one.system == system]
    full = [one for one in own if one.dim == found.full_dim]
    shots = sorted({one.shots for one in own})
    header = ["zero-shot" if one == 0 else str(one) for one in shots]
    methods = list(dict.fromkeys(one.method for one in own))
    measures: tuple[tuple[str, Of], ...] = (("macro", lambda one: one.macro), ("weighted", lambda one: one.weighted))
    tables = [
        Table(
            [f"{system}: {name} F1 by shots", *header],
            [[method, *_cells([one for one in full if one.method == method], shots, of)] for method in methods],
        )
        for name, of in measures
    ]
    best = _best(own)
    dims = sorted({one.dim for one in own}, reverse=True)
    rows = [
        [str(dim), *_cells([one for one in own if one.dim == dim and one.method in (best, "zero-shot")], shots, _macro)]
        for dim in dims
    ]
    return [*tables, Table([f"{system}, {best}: macro F1 by width", *header], rows)] if len(dims) > 1 else tables


def _cells(scores: Sequence[IntentScore], shots: Sequence[int], of: Of) -> list[str]:
    by_shots = {one.shots: str(of(one)) for one in scores}
    return [by_shots.get(one, "-") for one in shots]


def _macro(one: IntentScore) -> Interval:
    return one.macro


def _best(scores: Sequence[IntentScore]) -> str:
    """The method with the highest macro F1 at the most shots and the full width."""
    most = max(one.shots for one in scores)
    dim = max(one.dim for one in scores)
    return max((one for one in scores if (one.shots, one.dim) == (most, dim)), key=lambda one: one.macro.mean).method


def _needed(found: IntentResult, system: str) -> str:
    """The sentence on the shots for each goal, at full width."""
    own = [one for one in found.scores if (one.system, one.dim) == (system, found.full_dim)]
    parts = []
    for goal in GOALS:
        enough = [one for one in own if one.macro.mean >= goal]
        first = min(enough, key=lambda one: (one.shots, -one.macro.mean), default=None)
        if first is None:
            best = max(own, key=lambda one: one.macro.mean)
            parts.append(f"{goal:.2f} is not reached (best {best.macro.mean:.3f}, {best.method}, {best.shots} shots)")
        else:
            parts.append(f"{goal:.2f} with {first.shots} shots ({first.method}, {first.macro.mean:.3f})")
    return f"{system}: macro F1 {'; '.join(parts)}."


def _panel(found: IntentResult, system: str) -> Panel:
    own = [one for one in found.scores if (one.system, one.dim) == (system, found.full_dim)]
    series: dict[str, list[tuple[float, Interval]]] = {}
    for one in own:
        if one.shots:
            series.setdefault(one.method, []).append((one.shots, one.macro))
    levels = {one.method: one.macro for one in own if not one.shots}
    return Panel(system, "shots of each intent", series, levels, log2=True)


def _json(found: IntentResult) -> dict[str, object]:
    return {**asdict(found), "scores": [asdict(one) for one in found.scores]}
