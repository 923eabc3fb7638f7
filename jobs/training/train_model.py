"""`deglu train`: data, frozen features, the training itself by Ray Train, and the resulting model directory.

    sources -> clips, filtered -> frozen features and texts -> workers (train.fit.loop) -> checkpoints
                                                    best on dev -> card, ridge, hybrid -> model directory

The same command continues after any kill, and only publishes where the training was finished.  Test is not used.
"""

from pathlib import PurePath
from typing import Any

import ray
import torch

from embed.model.folder import SPEC
from embed.storage import store
from embed.storage.mirror import Mirror, mirrored
from jobs.cluster.ray_session import ray_session
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent
from jobs.training.check_towers import check_towers
from jobs.training.checkpoint_place import checkpoints_of, take_best
from jobs.training.compute_features import compute_features
from jobs.training.follow_training import measures_text
from jobs.training.hybrid_tuning import tune_hybrid
from jobs.training.publish_model import dev_intervals, publish
from jobs.training.run_workers import run_workers
from jobs.training.teacher import AnyStrategy, Lesson, strategy_of
from jobs.training.training_data import training_data
from jobs.training.training_machines import TrainingMachines, training_machines
from train.fit.metrics_log import CSV, TENSORBOARD
from train.frozen.features import plan_shards
from train.spec import TrainSpec
from train.strategies.late_fusion import LateFusionStrategy
from train.strategies.ridge import RIDGE, Ridge, tune_ridge


def train_model(spec: TrainSpec, progress: Progress | None = None) -> Plain:
    """Train, choose the weights that are best on dev, write the model directory; returns its metrics."""
    progress = progress or Silent()
    check_towers(spec)
    with mirrored(spec.output) as output:
        output.fetch(_is_continued)
        document = _trained(spec, output, progress)
        output.push(last=SPEC)
    return Plain(document, _text(document))


def _is_continued(name: str) -> bool:
    """Whether a file of an earlier run in this output is continued, or removed where the new model has none."""
    path = PurePath(name)
    return path.name in (CSV, RIDGE) or TENSORBOARD in path.parts


def _trained(spec: TrainSpec, output: Mirror, progress: Progress) -> dict[str, Any]:
    """The metrics; the model directory is in the folder of `output`."""
    found = training_data(spec, progress)
    with ray_session(), training_machines(spec, found.lesson, progress) as machines:
        lesson = _with_features(spec, found.lesson, progress, machines)
        metrics: dict[str, Any] = {
            "strategy": spec.strategy,
            "examples": found.counts,
            "hours": found.hours,
            "dropped": found.dropped,
        }
        trainings = [] if spec.strategy == "ridge" else spec.trainings
        stopped = []
        for number, own in enumerate(trainings):
            if len(trainings) > 1:
                progress.note(f"training {number + 1} of {len(trainings)}, seed {own.seed}")
            stopped.append(_train(own, lesson, output, progress, machines))
    progress.note("scoring dev")
    strategy = strategy_of(spec, lesson, _device(spec))
    strategy.module.to(_device(spec))
    if trainings:
        metrics["training"] = take_best(trainings, lesson, strategy, stopped, output)
    ridge = None
    if isinstance(strategy, LateFusionStrategy) and (spec.strategy == "ridge" or spec.features.cache != "off"):
        ridge, metrics["ridge"] = tune_ridge(strategy, spec.ridge)
    if spec.strategy == "ridge":
        _take_ridge(strategy, ridge)
    metrics["dev"] = dev_intervals(strategy, spec.seed)
    if spec.hybrid is not None:
        assert isinstance(strategy, LateFusionStrategy)
        metrics["hybrid"] = tune_hybrid(spec, strategy, lesson, output.folder, progress, _device(spec))
    return {"output": spec.output, **publish(spec, output.folder, strategy, ridge, metrics)}


def _with_features(spec: TrainSpec, lesson: Lesson, progress: Progress, machines: TrainingMachines) -> Lesson:
    """The lesson with its clips' frozen features: computed now, or planned for computation at first use."""
    if spec.strategy == "text":
        return lesson
    url = store.join(lesson.work, "features")
    shards = plan_shards(spec.encoder, lesson.clips, spec.features, spec.seed, url, lesson.num_train)
    if spec.features.cache == "disk":
        compute_features(spec, shards, progress, machines)
    return lesson.with_shards(shards)


def _train(spec: TrainSpec, lesson: Lesson, output: Mirror, progress: Progress, machines: TrainingMachines) -> str:
    """Train to the last step, unless that was done before; returns why it stopped."""
    checkpoints = checkpoints_of(spec, lesson)
    newest = checkpoints.newest()
    if newest is not None and newest.finished:
        return "it was finished before"
    progress.note("computing the frozen side: the transform, the texts' vectors")
    # Once, here: otherwise all workers would compute it at the same time.
    if spec.gpu:
        ray.get(ray.remote(num_gpus=1, **machines.options)(_frozen).remote(spec.model_dump(), lesson))
    else:
        strategy_of(spec, lesson)
    return run_workers(spec, lesson, checkpoints, output, progress, machines)


def _frozen(spec: dict[str, Any], lesson: Lesson) -> None:
    strategy_of(TrainSpec.parse(spec), lesson, "cuda")


def _device(spec: TrainSpec) -> str:
    """Device of this process, which may be on a machine without the workers' GPUs."""
    return "cuda" if spec.gpu and torch.cuda.is_available() else "cpu"


def _take_ridge(strategy: AnyStrategy, ridge: Ridge | None) -> None:
    head = strategy.model.head
    assert ridge is not None
    assert head is not None
    head.take_ridge(ridge.centre, ridge.scale, ridge.weights, ridge.bias)


def _text(document: dict[str, Any]) -> str:
    means = {name: one["mean"] for name, one in document["dev"].items()}
    lines = [f"model: {document['output']}", f"dev nDCG@10: {measures_text(means)}"]
    if "training" in document:
        lines += [
            f"training: {run['steps']} steps, epoch {run['best_epoch'] + 1} of {run['epochs']} was best;"
            f" {run['stopped']}"
            for run in document["training"]["runs"]
        ]
    if "hybrid" in document:
        lines.append(f"hybrid: weight {document['hybrid']['weight']}")
    dropped = "; ".join(f"{count} {reason}" for reason, count in document["dropped"].items())
    return "\n".join([*lines, *([f"left out: {dropped}"] if dropped else [])])
