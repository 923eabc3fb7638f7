"""Tasks of an evaluation: the questions and the collection of a benchmark, measured for every system.

`evaluate` measures all tasks of a spec, `measure` one; no cluster and no command line are involved.
"""

import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from embed.encoder import Role
from embed.errors import InputError
from embed.model.handle import resolve_model
from evaluate.benchmarks.benchmark import Entry, Modality
from evaluate.benchmarks.named import read_benchmark
from evaluate.costs import with_costs
from evaluate.examples import with_examples
from evaluate.intents.measure import measure_intents
from evaluate.intents.results import IntentResult
from evaluate.measures.by_dim import Rows
from evaluate.mixed import mixed_vectors
from evaluate.models import Models, load_models
from evaluate.results import Report, Task
from evaluate.robustness.measure import measure_robustness, measure_speakers
from evaluate.scored import scored
from evaluate.spec import MeasureSpec, TaskSpec
from evaluate.systems import CEILING
from evaluate.vectors import speech_vectors, text_vectors
from train.curate.clip import Clip

MODALITIES: dict[str, tuple[Modality, Modality]] = {
    "speech-to-text": ("speech", "text"),
    "text-to-speech": ("text", "speech"),
    "text-to-text": ("text", "text"),
    "speech-to-speech": ("speech", "speech"),
    "speech-to-any": ("speech", "any"),
    "text-to-any": ("text", "any"),
}


def evaluate(spec: MeasureSpec, done: Callable[[Task | IntentResult], object] = lambda task: None) -> Report:
    """Every task of the spec for every system; `done` is called after each task and each measurement of intents.

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
    intents = []
    for asked in spec.intents:
        intents.append(measure_intents(models, asked))
        done(intents[-1])
    robustness = measure_robustness(models, spec.robustness, measure) if spec.robustness else ()
    unseen = measure_speakers(models, spec.robustness) if spec.robustness else ()
    return Report(tuple(tasks), _about(spec), tuple(intents), robustness, unseen)


def measure(models: Models, task: TaskSpec, most: int | None = None) -> Task:
    """One task: questions of the part search the collection, of the modalities and languages of the task.

    Systems, dims and bootstrap are those of `models.spec`.  `most` limits the questions to the first so many.
    """
    spec = models.spec
    found = (
        read_benchmark(task)
        .chosen(task.part, *MODALITIES[task.direction], task.query_lang, task.document_lang)
        .first(most)
    )
    query, document = MODALITIES[task.direction]
    queries = _vectors(models, task, query == "speech", found.queries, "query")
    if document != "any":
        documents = _vectors(models, task, document == "speech", found.documents, "document")
    else:
        speech = [one for one in found.documents if one.audio]
        text = [one for one in found.documents if not one.audio]
        if not speech or not text:
            raise InputError(f"task {task.name!r}: {len(speech)} recordings and {len(text)} texts; give some of each")
        recordings = _vectors(models, task, True, speech, "document")
        texts = _vectors(models, task, False, text, "document")
        dims = spec.dims or models.model.dims
        queries, documents = mixed_vectors(queries, recordings, texts, spec.systems, dims)
    ids = [one.id for one in found.queries], [one.id for one in found.documents]
    measured = scored(models, task.name, queries, documents, found.answers, excluded=found.excluded, ids=ids)
    contents: list[list[Clip | str]] = [
        [one.clip(task.name) if kind != "text" and one.audio else one.text for one in entries]
        for kind, entries in ((query, found.queries), (document, found.documents))
    ]
    measured = with_costs(models, measured, *contents)
    return with_examples(measured, (ids[0], contents[0]), (ids[1], contents[1]), spec.play)


def _vectors(models: Models, task: TaskSpec, spoken: bool, entries: Sequence[Entry], role: Role) -> dict[str, Rows]:
    """By system; of the texts, or of the recordings."""
    systems = models.spec.systems
    if not spoken:
        return text_vectors(models, systems, [one.text for one in entries], role)
    if CEILING in systems and (silent := next((one for one in entries if not one.text), None)):
        raise InputError(
            f"{silent.place}: the system `{CEILING}` reads the true transcript, and this recording has no text;"
            f" add it, or remove `{CEILING}` from systems"
        )
    return speech_vectors(models, systems, [one.clip(task.name) for one in entries], role)


def _about(spec: MeasureSpec) -> dict[str, str]:
    prints = resolve_model(spec.model).fingerprints
    return {
        "model": spec.model,
        "space": prints.space,
        "encoder": prints.encoder,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.machine(),
    }
