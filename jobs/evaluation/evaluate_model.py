"""`deglu evaluate`: measures a model and its baselines, writes the report with its plots, and checks the gates."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embed.errors import SpecError
from embed.model.handle import resolve_model
from embed.storage.mirror import mirrored
from evaluate.gates import read_gate
from evaluate.measures.names import NDCG
from evaluate.report.gates import missed_gates
from evaluate.report.page import as_html
from evaluate.report.plots import codes_plot, ndcg_by_dim_plot
from evaluate.report.report import as_json, as_markdown
from evaluate.report.sections import panels_plot, sections
from evaluate.results import Report, Task
from evaluate.runs.files import QRELS, RUN, RUNS, file_name, qrels_lines, run_lines
from evaluate.spec import EvaluateSpec
from evaluate.tasks import evaluate
from jobs.command.progress import Progress, Silent


@dataclass(frozen=True)
class EvaluateReport:
    """The report, where it was written, and the gates that were missed."""

    report: Report
    output: str
    missed: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return 4 if self.missed else 0

    def document(self) -> dict[str, Any]:
        return {**as_json(self.report), "output": self.output, "missed_gates": list(self.missed)}

    def text(self) -> str:
        return "\n".join([as_markdown(self.report), *(f"gate missed: {one}" for one in self.missed)])


def evaluate_model(spec: EvaluateSpec, progress: Progress | None = None) -> EvaluateReport:
    """Measure every task, write report.html, report.json, report.md, plots and the run files for each task."""
    _refuse_unknown_widths(spec)
    progress = progress or Silent()
    progress.begin("evaluating", len(spec.tasks) + len(spec.intents), "tasks")
    report = evaluate(spec, lambda task: progress.advance(1))
    progress.end()
    with mirrored(spec.output) as output:
        folder = output.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(as_json(report), indent=1) + "\n", encoding="utf-8")
        (folder / "report.md").write_text(as_markdown(report) + "\n", encoding="utf-8")
        (folder / "report.html").write_text(as_html(report), encoding="utf-8")
        for task in report.tasks:
            _plot(task, folder)
            write_runs(task, folder)
        for section in sections(report):
            panels_plot(section, folder / f"{file_name(section.title)}.png")
        output.push()
    return EvaluateReport(report, spec.output, tuple(str(one) for one in missed_gates(report, spec.gates)))


def _refuse_unknown_widths(spec: EvaluateSpec) -> None:
    """SpecError before hours of encoding where a gate is on a width that the model lacks."""
    dims = resolve_model(spec.model).spec.dims
    for gate in map(read_gate, spec.gates):
        if gate.dim is not None and gate.dim not in dims:
            widths = ", ".join(map(str, dims))
            raise SpecError(f"field 'gates': {gate.text}: {spec.model!r} has no width {gate.dim}; give one of {widths}")


def write_runs(task: Task, folder: Path) -> None:
    """The qrels of a task and a run file for each system: `runs/TASK.qrels.tsv`, `runs/TASK/SYSTEM.run`."""
    name = file_name(task.name)
    runs = folder / RUNS / name
    runs.mkdir(parents=True, exist_ok=True)
    (folder / RUNS / f"{name}{QRELS}").write_text("".join(qrels_lines(task.qrels)), encoding="utf-8")
    for system in task.systems:
        (runs / f"{system.name}{RUN}").write_text("".join(run_lines(system.run, system.name)), encoding="utf-8")


def _plot(task: Task, folder: Path) -> None:
    series = {system.name: {dim: measures[NDCG] for dim, measures in system.by_dim.items()} for system in task.systems}
    name = file_name(task.name)
    ndcg_by_dim_plot(series, task.chance[NDCG], folder / f"{name}.png", task.name)
    for system in task.systems:
        if system.codings:
            full = system.by_dim[system.full_dim][NDCG]
            codes_plot(system.codings, full, folder / f"{name}-{system.name}-codes.png", f"{task.name}, {system.name}")
