"""Measurement of intents: requests are encoded once, then classified at every dim, by every method and shots."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from embed.encoder import FloatArray
from embed.errors import InputError
from evaluate.intents.classify import WITH_EXAMPLES, Labels, nearest_name
from evaluate.intents.f1 import intervals
from evaluate.intents.home_assistant import LICENCE, PACKAGE, VERSION, home_assistant
from evaluate.intents.manifest import read_requests
from evaluate.intents.requests import Chosen, Request, choose, spread
from evaluate.intents.results import IntentResult, IntentScore
from evaluate.intents.spec import HOME_ASSISTANT, IntentSpec, Modality
from evaluate.intents.spoken import spoken
from evaluate.measures.by_dim import Rows, at_dim
from evaluate.models import Models
from evaluate.systems import CEILING
from evaluate.vectors import speech_vectors, text_vectors

log = logging.getLogger(__name__)

TEXT = "text"  # name of the model's own vectors of texts


def measure_intents(models: Models, spec: IntentSpec) -> IntentResult:
    """All cells of one measurement.  Raises InputError that names file, row and label; DataUnavailable."""
    seed = models.spec.seed
    chosen = _chosen(spec, seed)
    log.info(
        "%s: %d labels, %d examples, %d in the test", spec.name, *map(len, (chosen.labels, chosen.pool, chosen.test))
    )
    test_kind, pool_kind = spec.modality, spec.sides[0][1]
    systems = _systems(models, spec)
    typed = "speech" not in (test_kind, pool_kind)
    test = _vectors(models, systems, chosen.test, test_kind, spec.name)
    pool = _vectors(models, systems, chosen.pool, pool_kind, spec.name)
    names = text_vectors(models, [CEILING], [name_of(one) for one in chosen.labels], "document")[CEILING]
    scores = []
    for system in test:
        own = _compatible(models, system)
        for dim in models.spec.dims or models.model.dims:
            sides = at_dim(pool[system], dim), at_dim(test[system], dim), at_dim(names, dim) if own else None
            scores += _cells(TEXT if typed else system, dim, sides, chosen, spec, seed)
    return IntentResult(
        spec.name,
        len(chosen.labels),
        len(chosen.pool),
        len(chosen.test),
        spec.draws,
        tuple(scores),
        chosen.notes,
    )


def _chosen(spec: IntentSpec, seed: int) -> Chosen:
    if spec.data != HOME_ASSISTANT:
        return choose(read_requests(spec.data), spec, spec.data, seed)
    requests = home_assistant([lang for lang, _ in spec.sides], seed)
    # Chosen as text: what is not used is not spoken.
    typed = spec.model_copy(update={"modality": "text", "train_modality": None, "few": spec.few or "omit"})
    chosen = choose(requests, typed, f"{PACKAGE} {VERSION}", seed)
    chosen = replace(chosen, notes=(f"{PACKAGE} {VERSION}, {LICENCE}", *chosen.notes))
    return spoken(chosen, spec) if "speech" in {kind for _, kind in spec.sides} else chosen


def name_of(label: str) -> str:
    """The words of a label: `HassLightSet` and `light_set` are "light set"."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+", label.removeprefix("Hass"))
    return " ".join(words).lower() or label


def draw(pool: Sequence[Request], labels: Sequence[str], shots: int, seed: str) -> list[int]:
    """Rows of the pool: so many of each label, of different templates as far as there are enough."""
    row = {id(one): number for number, one in enumerate(pool)}
    by_label = {label: [one for one in pool if one.label == label] for label in labels}
    return [row[id(one)] for label in labels for one in spread(by_label[label], shots, f"{seed}|{label}")]


def _cells(
    system: str,
    dim: int,
    sides: tuple[FloatArray, FloatArray, FloatArray | None],
    chosen: Chosen,
    spec: IntentSpec,
    seed: int,
) -> list[IntentScore]:
    pool, test, names = sides
    place = {label: number for number, label in enumerate(chosen.labels)}
    true, of_pool = (np.asarray([place[one.label] for one in side]) for side in (chosen.test, chosen.pool))
    groups = np.unique([one.group for one in chosen.test], return_inverse=True)[1].astype(np.int64)

    def score(method: str, shots: int, drawn: Sequence[Labels]) -> IntentScore:
        return IntentScore(system, method, shots, dim, *intervals(true, drawn, len(place), groups, seed))

    found = []
    if "zero-shot" in spec.methods and names is not None:
        found.append(score("zero-shot", 0, [nearest_name(names, test)]))
    for shots in spec.shots:
        rows = [draw(chosen.pool, chosen.labels, shots, f"{seed}|{number}") for number in range(spec.draws)]
        for method in (one for one in spec.methods if one != "zero-shot"):
            classify = WITH_EXAMPLES[method]
            drawn = [classify(pool[own], of_pool[own], test, min(spec.neighbours, shots)) for own in rows]
            found.append(score(method, shots, drawn))
    return found


def _systems(models: Models, spec: IntentSpec) -> tuple[str, ...]:
    """Systems that encode the test: those of speech, or the text tower."""
    if "speech" not in (spec.modality, spec.sides[0][1]):
        return (CEILING,)
    return spec.systems or models.spec.systems


def _vectors(
    models: Models, systems: Sequence[str], requests: Sequence[Request], kind: Modality, name: str
) -> Mapping[str, Rows]:
    """Vectors by system, named `text` where no speech is encoded."""
    if kind == "text":
        found = text_vectors(models, systems, [one.text for one in requests], "query")
    else:
        silent = next((one for one in requests if not one.text), None)
        if CEILING in systems and silent is not None:
            raise InputError(
                f"{silent.place}: the system `{CEILING}` reads the true transcript, and this recording has no text;"
                f" add it, or remove `{CEILING}` from systems"
            )
        found = speech_vectors(models, systems, [one.clip(name) for one in requests], "query")
    return found


def _compatible(models: Models, system: str) -> bool:
    """Whether the model's vectors of label names are in the system's space."""
    return system != "other"
