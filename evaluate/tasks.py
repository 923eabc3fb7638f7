"""Tasks of an evaluation: the questions and the collection of a benchmark, measured for every system.

`evaluate` measures all tasks of a spec, `measure` one; no cluster and no command line are involved.
"""

import platform
from collections.abc import Callable
from datetime import UTC, datetime

from embed.encoder import Role
from embed.errors import InputError
from embed.model.handle import resolve_model
from evaluate.benchmarks.benchmark import Entry, Modality
from evaluate.benchmarks.named import read_benchmark
from evaluate.examples import with_examples
from evaluate.measures.quality import evaluate_task
from evaluate.models import Models, load_models
from evaluate.results import Report, Task
from evaluate.spec import MeasureSpec, TaskSpec
from evaluate.systems import CEILING
from evaluate.vectors import speech_vectors, text_vectors
from train.curate.clip import Clip

MODALITIES: dict[str, tuple[Modality, Modality]] = {
    "speech-to-text": ("speech", "text"),
    "text-to-speech": ("text", "speech"),
    "text-to-text": ("text", "text"),
    "speech-to-speech": ("speech", "speech"),
}


def evaluate(spec: MeasureSpec, done: Callable[[Task], object] = lambda task: None) -> Report:
    """Every task of the spec for every system; `done` is called after each task.

    Raises SpecError or InputError that says what to do, DataUnavailable where a source cannot be fetched.

    >>> import deglu
    >>> task = {"benchmark": "asterisk", "query_lang": "fr", "document_lang": "en"}
    >>> spec = deglu.MeasureSpec(model="model", tasks=[task], systems=["late-fusion", "ceiling"])
    >>> report = deglu.evaluate(spec)
    >>> [one.name for one in report.tasks], [system.name for system in report.tasks[0].systems]
    (['asterisk dev fr->en'], ['late-fusion', 'ceiling'])
    """
    models = load_models(spec)
    tasks = []
    for one in spec.tasks:
        tasks.append(measure(models, one))
        done(tasks[-1])
    return Report(tuple(tasks), _about(spec))


def measure(models: Models, task: TaskSpec, most: int | None = None) -> Task:
    """One task: questions of the part search the collection, of the modalities and languages of the task.

    Systems, dims and bootstrap are those of `models.spec`.  `most` limits the questions to the first so many.
    """
    spec = models.spec
    query, document = MODALITIES[task.direction]
    benchmark = read_benchmark(task)
    found = benchmark.chosen(task.part, query, document, task.query_lang, task.document_lang).first(most)
    sides = []
    chosen: list[tuple[Role, str, tuple[Entry, ...]]] = [
        ("query", query, found.queries),
        ("document", document, found.documents),
    ]
    for role, kind, entries in chosen:
        if kind == "text":
            sides.append(text_vectors(models, spec.systems, [one.text for one in entries], role))
            continue
        if CEILING in spec.systems and (silent := next((one for one in entries if not one.text), None)):
            raise InputError(
                f"{silent.place}: the system `{CEILING}` reads the true transcript, and this recording has no text;"
                f" add it, or remove `{CEILING}` from systems"
            )
        sides.append(speech_vectors(models, spec.systems, [one.clip(task.name) for one in entries], role))
    ids = [one.id for one in found.queries], [one.id for one in found.documents]
    measured = evaluate_task(
        task.name,
        sides[0],
        sides[1],
        found.answers,
        spec.dims or models.model.dims,
        excluded=found.excluded,
        ids=ids,
        baseline=spec.baseline,
        draws=spec.draws,
        seed=spec.seed,
    )
    contents: list[list[Clip | str]] = [
        [one.clip(task.name) if kind == "speech" else one.text for one in entries] for _, kind, entries in chosen
    ]
    return with_examples(measured, (ids[0], contents[0]), (ids[1], contents[1]), spec.play)


def _about(spec: MeasureSpec) -> dict[str, str]:
    prints = resolve_model(spec.model).fingerprints
    return {
        "model": spec.model,
        "space": prints.space,
        "encoder": prints.encoder,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.machine(),
    }
