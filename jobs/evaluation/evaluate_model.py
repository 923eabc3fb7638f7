"""`deglu evaluate`: a model beside its baselines on recorded prompts, per dimension, with intervals and gates."""

import json
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from embed.errors import InputError
from embed.model.handle import resolve_model
from embed.storage.cache import cache_folder
from evaluate.measures.metrics import NDCG
from evaluate.measures.quality import evaluate_task
from evaluate.report.gates import missed_gates
from evaluate.report.plots import ndcg_by_dim_plot
from evaluate.report.report import Report, Task, as_json, as_markdown
from evaluate.spec import EvaluateSpec, TaskSpec
from evaluate.systems import Compared, load_compared, speech_vectors, text_vectors
from jobs.command.progress import Progress, Silent
from train.curate.clip import Clip, words
from train.curate.speech_pairs import SOURCES, prompts_by_part, said


@dataclass(frozen=True)
class EvaluateReport:
    """The report, where it was written, and the gates that were missed."""

    report: Report
    folder: Path
    missed: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return 4 if self.missed else 0

    def document(self) -> dict[str, Any]:
        return {**as_json(self.report), "output": str(self.folder), "missed_gates": list(self.missed)}

    def text(self) -> str:
        return "\n".join([as_markdown(self.report), *(f"gate missed: {one}" for one in self.missed)])


def evaluate_model(spec: EvaluateSpec, progress: Progress | None = None) -> EvaluateReport:
    """Measure every task, write report.json, report.md and a plot a task."""
    progress = progress or Silent()
    compared = load_compared(spec)
    progress.begin("evaluating", len(spec.tasks), "tasks")
    tasks = []
    for task in spec.tasks:
        tasks.append(measure(compared, spec, task))
        progress.advance(1)
    progress.end()
    made_by = resolve_model(spec.model).fingerprints
    about = {
        "model": spec.model,
        "space": made_by.space,
        "encoder": made_by.encoder,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.machine(),
    }
    report = Report(tuple(tasks), about)
    folder = Path(spec.output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(as_json(report), indent=1) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(as_markdown(report) + "\n", encoding="utf-8")
    for task_found in tasks:
        _plot(task_found, folder)
    return EvaluateReport(report, folder, tuple(str(one) for one in missed_gates(report, spec.gates)))


def measure(compared: Compared, spec: EvaluateSpec, task: TaskSpec, most: int | None = None) -> Task:
    """One task: spoken questions to all texts of the source, or typed questions to the part's recordings.

    `most` is of the part's recordings: the first so many.
    """
    cache = cache_folder()
    parts, _ = prompts_by_part(task.source, cache, (task.speech_lang,), (task.text_lang,))
    clips = [clip for clip in parts[task.part] if clip.lang == task.speech_lang and task.text_lang in clip.translations]
    clips = clips[:most]
    if not clips:
        raise InputError(
            f"task {task.name!r}: {task.source} has no {task.speech_lang} clips with {task.text_lang} texts"
        )
    dims = spec.dims or compared.model.dims
    settings: dict[str, Any] = {"baseline": spec.baseline, "draws": spec.draws, "seed": spec.seed}
    if task.direction == "speech-to-text":
        # All that the source has in this language, recorded or not, trained on or not: the hard negatives.
        captions = SOURCES[task.source].captions(cache, (task.text_lang,))
        texts, place = distinct(found.get(task.text_lang, "") for found in captions.values())
        relevant = np.asarray([place[_key(clip, task.text_lang)] for clip in clips])
        asked = speech_vectors(compared, spec.systems, clips, "query")
        searched = text_vectors(compared, spec.systems, texts, "document")
        return evaluate_task(task.name, asked, searched, relevant, dims, **settings)
    texts, place = distinct(clip.translations[task.text_lang] for clip in clips)
    answers: list[set[int]] = [set() for _ in texts]
    for i, clip in enumerate(clips):
        answers[place[_key(clip, task.text_lang)]].add(i)
    heard = speech_vectors(compared, spec.systems, clips, "document")
    questions = text_vectors(compared, spec.systems, texts, "query")
    return evaluate_task(task.name, questions, heard, answers, dims, **settings)


def distinct(texts: Iterable[str]) -> tuple[list[str], dict[str, int]]:
    """Texts that have words, equal ones once, and where each stands by its words."""
    found: dict[str, str] = {}
    for text in texts:
        if said(text):
            found.setdefault(said(text), text)
    return list(found.values()), {key: row for row, key in enumerate(found)}


def _key(clip: Clip, lang: str) -> str:
    return said(clip.translations[lang])


def _plot(task: Task, folder: Path) -> None:
    series = {system.name: {dim: measures[NDCG] for dim, measures in system.by_dim.items()} for system in task.systems}
    name = "-".join(words(task.name)) + ".png"
    ndcg_by_dim_plot(series, task.chance[NDCG], folder / name, task.name)
