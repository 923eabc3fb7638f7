"""Checkpoints of a training: their folder, named by the training's identity, and the best of them.

The same command has the same identity, and continues from the newest checkpoint.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from embed.base_spec import canonical_json
from embed.errors import WorkLeftUndone
from embed.identity import digest
from embed.storage import store
from embed.storage.mirror import Mirror
from jobs.training.check_towers import tower_digests
from jobs.training.follow_training import EPOCH_SECONDS
from jobs.training.frozen_side import fit_identity
from jobs.training.teacher import AnyStrategy, Lesson
from train.fit.checkpoint import Checkpoints
from train.fit.metrics_log import CSV, read_metrics
from train.spec import TrainSpec
from train.strategies.late_fusion import LateFusionStrategy
from train.strategy import trained

# Fields that act after the training: another output, or another hybrid, requires no new training.
AFTERWARDS = ("output", "hybrid", "ridge")


def checkpoints_of(spec: TrainSpec, lesson: Lesson) -> Checkpoints:
    """Checkpoints below `checkpoints.url`, else below the work url in a folder of the training's identity."""
    defining = defining_of(spec, lesson)
    name = digest("training", canonical_json(defining).decode()).hex()
    url = store.absolute(spec.checkpoints.url) if spec.checkpoints.url else store.join(lesson.work, "runs", name)
    return Checkpoints(url, defining, spec.checkpoints.keep)


def defining_of(spec: TrainSpec, lesson: Lesson) -> dict[str, Any]:
    """The identity of the trained weights: the spec, digests of the towers, the examples that were found."""
    values = {name: value for name, value in spec.defining().items() if name not in AFTERWARDS}
    if spec.encoder.fusion is not None:
        values["encoder"]["fusion"].pop("members")  # each member is trained separately
    if spec.encoder.transform:
        values["transform"] = fit_identity(spec, lesson.clips[: lesson.num_train])
    return {**values, "towers": tower_digests(spec), "examples": _examples(lesson)}


def take_best(
    trainings: Sequence[TrainSpec], lesson: Lesson, strategy: AnyStrategy, stopped: Sequence[str], output: Mirror
) -> dict[str, Any]:
    """Load the best weights into the strategy; returns the metrics of the trainings."""
    states: list[Mapping[str, torch.Tensor]] = []
    runs: list[dict[str, Any]] = []
    for spec, why in zip(trainings, stopped, strict=True):
        checkpoints = checkpoints_of(spec, lesson)
        newest, best = checkpoints.newest(), checkpoints.best()
        if best is None or newest is None:
            raise WorkLeftUndone(f"{checkpoints.url} has no scored checkpoint: run the same command again")
        states.append(best.final_weights())
        done = {"best_epoch": best.epoch, "steps": newest.step, "epochs": newest.epoch + 1, "stopped": why}
        runs.append({"seed": spec.seed, **done, "seconds": _seconds(output.path(spec.output))})
    learnt = sum(value.numel() for value in trained(strategy.model).values())
    if len(states) == 1:
        strategy.load(states[0])
    else:
        assert isinstance(strategy, LateFusionStrategy)
        strategy.load_members(states)
    return {"runs": runs, "trained_parameters": learnt}


def _examples(lesson: Lesson) -> str:
    """Digest of the examples: a manifest may change while the spec that names it does not."""
    clips = [
        [clip.source, clip.key, clip.lang, clip.offset_s, clip.duration_s, sorted(clip.translations.items())]
        for clip in lesson.clips
    ]
    pairs = [[pair.key, pair.query, pair.document, pair.task, list(pair.negatives)] for pair in lesson.pairs]
    return digest("examples", lesson.num_train, clips, pairs).hex()


def _seconds(folder: Path) -> float:
    """Seconds of all epochs in the metrics; 0 where there are none."""
    return round(sum(value for _, _, name, value in read_metrics(folder / CSV) if name == EPOCH_SECONDS), 1)
