"""Tasks of an evaluation: the questions and the collection of a recorded source, measured for every system.

`evaluate` measures all tasks of a spec, `measure` one; no cluster and no command line are involved.
"""

import hashlib
import platform
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from embed.errors import InputError
from embed.model.handle import resolve_model
from embed.storage.cache import cache_folder
from evaluate.measures.quality import evaluate_task
from evaluate.models import Models, load_models
from evaluate.results import Report, Task
from evaluate.spec import MeasureSpec, TaskSpec
from evaluate.vectors import speech_vectors, text_vectors
from train.curate.clip import Clip, text_key
from train.curate.sources.table import SOURCES
from train.curate.speech_pairs import prompts_by_part


def evaluate(spec: MeasureSpec, done: Callable[[Task], object] = lambda task: None) -> Report:
    """Every task of the spec for every system; `done` is called after each task.

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
    return Report(tuple(tasks), _about(spec))


def measure(models: Models, task: TaskSpec, most: int | None = None) -> Task:
    """One task: spoken questions search all texts of the source, typed questions the part's recordings.

    Systems, dims and bootstrap are those of `models.spec`.  `most` limits the part's recordings to the first so many.
    """
    clips = _clips(task)[:most]
    if not clips:
        raise InputError(
            f"task {task.name!r}: {task.source} has no {task.speech_lang} clips with {task.text_lang} texts;"
            " choose other languages"
        )
    spec, lang = models.spec, task.text_lang
    dims = spec.dims or models.model.dims
    settings: dict[str, Any] = {"baseline": spec.baseline, "draws": spec.draws, "seed": spec.seed}
    if task.direction == "speech-to-text":
        # All texts of the source in this language, recorded or not, trained on or not: the hard negatives.
        captions = SOURCES[task.source].captions(cache_folder(), (lang,))
        texts, place = distinct(found.get(lang, "") for found in captions.values())
        relevant = np.asarray([place[_key(clip, lang)] for clip in clips])
        questions = speech_vectors(models, spec.systems, clips, "query")
        documents = text_vectors(models, spec.systems, texts, "document")
        ids = recording_ids(clips), text_ids(texts)
        return evaluate_task(task.name, questions, documents, relevant, dims, ids=ids, **settings)
    texts, place = distinct(clip.translations[lang] for clip in clips)
    answers: list[set[int]] = [set() for _ in texts]
    for i, clip in enumerate(clips):
        answers[place[_key(clip, lang)]].add(i)
    recordings = speech_vectors(models, spec.systems, clips, "document")
    questions = text_vectors(models, spec.systems, texts, "query")
    ids = text_ids(texts), recording_ids(clips)
    return evaluate_task(task.name, questions, recordings, answers, dims, ids=ids, **settings)


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


def _clips(task: TaskSpec) -> list[Clip]:
    """The part's recordings that have a text in the task's language."""
    parts, _ = prompts_by_part(task.source, cache_folder(), (task.speech_lang,), (task.text_lang,))
    return [clip for clip in parts[task.part] if clip.lang == task.speech_lang and task.text_lang in clip.translations]


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
