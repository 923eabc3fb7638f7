"""Tasks of an evaluation: the questions and the collection of a recorded source, measured for every system.

`evaluate` measures all tasks of a spec, `measure` one; no cluster and no command line are involved.
"""

import hashlib
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from embed.encoder import Role
from embed.errors import InputError
from embed.file_kinds import unpacked_suffix
from embed.model.handle import resolve_model
from embed.storage.cache import cache_folder
from evaluate.benchmarks.beir import read_beir
from evaluate.benchmarks.benchmark import Benchmark, Entry, Modality
from evaluate.benchmarks.manifest import read_manifest
from evaluate.examples import with_examples
from evaluate.intents.measure import measure_intents
from evaluate.intents.results import IntentResult
from evaluate.measures.quality import evaluate_task
from evaluate.models import Models, load_models
from evaluate.results import Report, Task
from evaluate.robustness.measure import measure_robustness, measure_speakers
from evaluate.spec import MeasureSpec, TaskSpec
from evaluate.systems import CEILING
from evaluate.vectors import speech_vectors, text_vectors
from train.curate.clip import Clip, text_key
from train.curate.sources.table import SOURCES
from train.curate.speech_pairs import prompts_by_part
from train.curate.split import Part

MODALITIES: dict[str, tuple[Modality, Modality]] = {
    "speech-to-text": ("speech", "text"),
    "text-to-speech": ("text", "speech"),
    "text-to-text": ("text", "text"),
    "speech-to-speech": ("speech", "speech"),
}


def evaluate(spec: MeasureSpec, done: Callable[[Task | IntentResult], object] = lambda task: None) -> Report:
    """Every task of the spec for every system; `done` is called after each task and each measurement of intents.

    Raises SpecError or InputError that says what to do, DataUnavailable where a source cannot be fetched.

    >>> import deglu
    >>> task = {"source": "asterisk", "speech_lang": "fr", "text_lang": "en"}
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
    """One task: spoken questions search all texts of the source, typed questions the part's recordings.

    Systems, dims and bootstrap are those of `models.spec`.  `most` limits the part's recordings to the first so many.
    """
    spec = models.spec
    dims = spec.dims or models.model.dims
    settings: dict[str, Any] = {"baseline": spec.baseline, "draws": spec.draws, "seed": spec.seed}
    if task.benchmark is not None:
        return _measure_benchmark(models, task, dims, settings)
    assert task.source is not None  # the spec sees to these
    assert task.speech_lang is not None
    assert task.text_lang is not None
    clips = _clips(task.source, task.part, task.speech_lang, task.text_lang)[:most]
    if not clips:
        raise InputError(
            f"task {task.name!r}: {task.source} has no {task.speech_lang} clips with {task.text_lang} texts;"
            " choose other languages"
        )
    lang = task.text_lang
    if task.direction == "speech-to-text":
        # All texts of the source in this language, recorded or not, trained on or not: the hard negatives.
        captions = SOURCES[task.source].captions(cache_folder(), (lang,))
        texts, place = distinct(found.get(lang, "") for found in captions.values())
        relevant = np.asarray([place[_key(clip, lang)] for clip in clips])
        questions = speech_vectors(models, spec.systems, clips, "query")
        documents = text_vectors(models, spec.systems, texts, "document")
        ids = recording_ids(clips), text_ids(texts)
        found = evaluate_task(task.name, questions, documents, relevant, dims, ids=ids, **settings)
        return with_examples(found, (ids[0], clips), (ids[1], texts), spec.play)
    texts, place = distinct(clip.translations[lang] for clip in clips)
    answers: list[set[int]] = [set() for _ in texts]
    for i, clip in enumerate(clips):
        answers[place[_key(clip, lang)]].add(i)
    recordings = speech_vectors(models, spec.systems, clips, "document")
    questions = text_vectors(models, spec.systems, texts, "query")
    ids = text_ids(texts), recording_ids(clips)
    found = evaluate_task(task.name, questions, recordings, answers, dims, ids=ids, **settings)
    return with_examples(found, (ids[0], texts), (ids[1], clips), spec.play)


def read_benchmark(url: str) -> Benchmark:
    """A folder of BEIR's shape, or a manifest by the endings of its name.  Raises InputError."""
    return read_manifest(url) if unpacked_suffix(url) in (".jsonl", ".csv", ".tsv", ".parquet") else read_beir(url)


def _measure_benchmark(models: Models, task: TaskSpec, dims: Sequence[int], settings: dict[str, Any]) -> Task:
    """Questions of a benchmark's part search its collection, of the modalities and languages of the task."""
    assert task.benchmark is not None
    query, document = MODALITIES[task.direction]
    found = read_benchmark(task.benchmark).chosen(task.part, query, document, task.query_lang, task.document_lang)
    systems = models.spec.systems
    sides = []
    chosen: list[tuple[Role, str, tuple[Entry, ...]]] = [
        ("query", query, found.queries),
        ("document", document, found.documents),
    ]
    for role, kind, entries in chosen:
        if kind == "text":
            sides.append(text_vectors(models, systems, [one.text for one in entries], role))
            continue
        if CEILING in systems and (silent := next((one for one in entries if not one.text), None)):
            raise InputError(
                f"{silent.place}: the system `{CEILING}` reads the true transcript, and this recording has no text;"
                f" add it, or remove `{CEILING}` from systems"
            )
        sides.append(speech_vectors(models, systems, [one.clip(task.name) for one in entries], role))
    ids = [one.id for one in found.queries], [one.id for one in found.documents]
    measured = evaluate_task(
        task.name, sides[0], sides[1], found.answers, dims, excluded=found.excluded, ids=ids, **settings
    )
    contents: list[list[Clip | str]] = [
        [one.clip(task.name) if kind == "speech" else one.text for one in entries] for _, kind, entries in chosen
    ]
    return with_examples(measured, (ids[0], contents[0]), (ids[1], contents[1]), models.spec.play)


def distinct(texts: Iterable[str]) -> tuple[list[str], dict[str, int]]:
    """Texts that have words, equal ones once, and the row of each by its `text_key`."""
    found: dict[str, str] = {}
    for text in texts:
        if text_key(text):
            found.setdefault(text_key(text), text)
    return list(found.values()), {key: row for row, key in enumerate(found)}


def text_ids(texts: Iterable[str]) -> list[str]:
    """Ids of texts in run files: the same words have the same id in every report."""
    return [hashlib.blake2b(text_key(text).encode(), digest_size=8).hexdigest() for text in texts]


def recording_ids(clips: Iterable[Clip]) -> list[str]:
    """Ids of recordings in run files: key and language without blanks; further recordings of one key are numbered."""
    seen = Counter[str]()
    found = []
    for clip in clips:
        name = "_".join(f"{clip.key}/{clip.lang}".split())
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}/{seen[name]}")
    return found


def _clips(source: str, part: Part, speech_lang: str, text_lang: str) -> list[Clip]:
    """The part's recordings that have a text in the language of the texts."""
    parts, _ = prompts_by_part(source, cache_folder(), (speech_lang,), (text_lang,))
    return [clip for clip in parts[part] if clip.lang == speech_lang and text_lang in clip.translations]


def _key(clip: Clip, lang: str) -> str:
    return text_key(clip.translations[lang])


def _about(spec: MeasureSpec) -> dict[str, str]:
    prints = resolve_model(spec.model).fingerprints
    return {
        "model": spec.model,
        "space": prints.space,
        "encoder": prints.encoder,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": platform.machine(),
    }
