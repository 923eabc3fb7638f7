"""Costs of a task's systems: a few of its recordings and texts are encoded again, counted and timed.

Seconds are those of this machine; they are kept with the encodings, so that a second report has the same.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from embed.encoder import FloatArray, Role, truncate
from embed.identity import digest
from evaluate.cost.prices import price_of_hours, price_of_index, price_of_queries
from evaluate.cost.spec import CostSpec
from evaluate.cost.work import work_of
from evaluate.kept import kept, key_of_speech, key_of_texts
from evaluate.models import Models
from evaluate.results import Cost, Task, WidthCost
from evaluate.systems import SYSTEMS
from evaluate.vectors import Speech
from train.curate.clip import Clip, read_clip

SEARCHED, DOCUMENTS = 64, 100_000  # at once, and at most: seconds of a search grow with the documents
VALUE_BYTES = 2  # float16


def with_costs(models: Models, task: Task, queries: Sequence[Clip | str], documents: Sequence[Clip | str]) -> Task:
    """The task with what each system costs, where the spec has `cost`."""
    rates = models.spec.cost
    if rates is None:
        return task
    systems = []
    for system in task.systems:
        if system.name not in SYSTEMS:  # the same vectors, merged in another way
            systems.append(system)
            continue
        asked = _encoding(models, system.name, queries, "query", rates)
        stored = _encoding(models, system.name, documents, "document", rates)
        hour_s, hour_macs = next(((one.hour_s, one.hour_macs) for one in (asked, stored) if one.hour_s), (None, None))
        widths = {}
        for dim in system.by_dim:
            search_s, size = _search_s(models, task.documents, dim), VALUE_BYTES * dim * task.documents
            price = price_of_queries(asked.item_s + search_s, rates)
            widths[dim] = WidthCost(VALUE_BYTES * dim, size, search_s, price, price_of_index(size, rates))
        systems.append(
            replace(
                system,
                cost=Cost(
                    int(max(asked.parameters, stored.parameters)),
                    asked.item_macs,
                    asked.item_s,
                    hour_macs,
                    hour_s,
                    None if hour_s is None else price_of_hours(hour_s, rates),
                    widths,
                    rates.currency,
                ),
            )
        )
    return replace(task, systems=tuple(systems))


class _Encoding:
    """Work of one item, and of an hour of recordings: 0 for texts."""

    def __init__(self, found: FloatArray) -> None:
        self.parameters, self.item_macs, self.item_s, self.hour_macs, self.hour_s = map(float, found)


def _encoding(models: Models, system: str, items: Sequence[Clip | str], role: Role, rates: CostSpec) -> _Encoding:
    if isinstance(items[0], str):
        texts = cast(Sequence[str], items[: rates.texts])
        encoder: Any = getattr(models, SYSTEMS[system].texts)
        key = key_of_texts(models, system, texts, role)
        return _Encoding(_kept(models, key, lambda: _measured(lambda: encoder.encode(texts, role), len(texts), 0.0)))
    clips = cast(Sequence[Clip], items[: rates.recordings])

    def encode() -> object:
        anew = copy.copy(models)  # the same models, and no transcript that is known already
        if "transcripts" in SYSTEMS[system].requires:
            anew.__dict__["transcripts"] = replace(models.transcripts, known={})
        return SYSTEMS[system].speech(Speech(anew, clips, role))

    def measure() -> FloatArray:
        seconds = sum(len(read_clip(clip)) for clip in clips) / 16_000
        return _measured(encode, len(clips), seconds / 3600)

    return _Encoding(_kept(models, key_of_speech(models, system, clips, role), measure))


def _measured(call: Callable[[], object], num: int, hours: float) -> FloatArray:
    work = work_of(call)
    by_hour = [work.macs / hours, work.cpu_s / hours] if hours else [0.0, 0.0]
    return np.asarray([work.parameters, work.macs / num, work.cpu_s / num, *by_hour], np.float64).astype(np.float32)


def _search_s(models: Models, num_documents: int, dim: int) -> float:
    """CPU seconds of a question of an exact search of the ten nearest, in float32."""
    rows = min(num_documents, DOCUMENTS)

    def measure() -> FloatArray:
        rng = np.random.default_rng(0)
        queries, documents = (
            truncate(rng.standard_normal((count, dim), np.float32), dim) for count in (SEARCHED, rows)
        )
        spent = []
        for _ in range(3):
            began = time.process_time()
            scores = queries @ documents.T
            np.argpartition(scores, max(0, rows - 10), axis=1)
            spent.append((time.process_time() - began) / SEARCHED * num_documents / rows)
        return np.asarray([np.median(spent)], np.float32)

    return float(_kept(models, digest("search", str(num_documents), str(dim)), measure)[0])


def _kept(models: Models, key: bytes, measure: Callable[[], FloatArray]) -> FloatArray:
    return cast(FloatArray, kept(digest("cost", key), measure)) if models.spec.keep else measure()
