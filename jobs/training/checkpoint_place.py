"""Place of a training's checkpoints: a folder named by what defines it, so that the same command goes on."""

from typing import Any

from embed.base_spec import canonical_json
from embed.identity import digest
from embed.model.towers.files import tower_digest
from embed.storage import store
from jobs.training.frozen_side import fit_identity
from jobs.training.teacher import Lesson
from train.fit.checkpoint import Checkpoints
from train.spec import TrainSpec

# What is made of the trained weights later: another output, or another hybrid, requires no new training.
AFTERWARDS = ("output", "hybrid", "ridge")


def checkpoints_of(spec: TrainSpec, lesson: Lesson) -> Checkpoints:
    """Below `checkpoints.url`, else below the work url in a folder of the training's identity."""
    defining = defining_of(spec, lesson)
    name = digest("training", canonical_json(defining).decode()).hex()
    url = store.absolute(spec.checkpoints.url) if spec.checkpoints.url else store.join(lesson.work, "runs", name)
    return Checkpoints(url, defining, spec.checkpoints.keep)


def defining_of(spec: TrainSpec, lesson: Lesson) -> dict[str, Any]:
    """All that decides the trained weights: the spec, the towers as they are, the examples that were found."""
    values = {name: value for name, value in spec.defining().items() if name not in AFTERWARDS}
    if spec.encoder.fusion is not None:
        values["encoder"]["fusion"].pop("members")  # each is trained for itself
    if spec.encoder.transform:
        values["transform"] = fit_identity(spec, lesson.clips[: lesson.num_train])
    return {**values, "towers": towers(spec), "examples": _examples(lesson)}


def towers(spec: TrainSpec) -> dict[str, str]:
    """Digests of the towers as they are here, before training."""
    speech = spec.encoder.speech
    found = {"text": tower_digest(spec.encoder.text.name)}
    return found if speech is None else {**found, "speech": tower_digest(speech.name)}


def _examples(lesson: Lesson) -> str:
    """A manifest may change while the spec that names it does not."""
    clips = [
        [clip.source, clip.key, clip.lang, clip.offset_s, clip.duration_s, sorted(clip.translations.items())]
        for clip in lesson.clips
    ]
    pairs = [[pair.key, pair.query, pair.document, pair.task, list(pair.negatives)] for pair in lesson.pairs]
    return digest("examples", lesson.num_train, clips, pairs).hex()
