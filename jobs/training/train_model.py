"""`deglu train`: data, frozen features, the training itself by Ray Train, and the model directory that comes of it.

    sources -> clips, checked -> frozen features and texts -> workers (train.loop) -> checkpoints
                                                    best on dev -> card, ridge, hybrid -> model directory

The same command goes on after any kill, and publishes without training where that was finished; test is not touched.
"""

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.exceptions
import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer

from embed.errors import SpecError, WorkLeftUndone
from embed.storage import store
from embed.storage.cache import cache_folder
from evaluate.measures.metrics import ndcg_at_10
from jobs.cluster.ray_session import first_line, ray_session
from jobs.command.output import Plain
from jobs.command.progress import Progress, Silent
from jobs.planning.plan_training import check_towers
from jobs.training.checkpoint_place import checkpoints_of
from jobs.training.compute_features import compute_features
from jobs.training.follow_training import EPOCH_SECONDS, Following, measures_words
from jobs.training.hybrid_tuning import tune_hybrid
from jobs.training.postbox import postbox
from jobs.training.publish_model import METRICS, RIDGE, dev_intervals, publish
from jobs.training.teacher import AnyStrategy, Lesson, strategy_of
from jobs.training.train_worker import train_worker
from jobs.training.training_data import training_data
from train.curate.sources import synthetic
from train.fit.checkpoint import Checkpoints
from train.fit.metrics_log import CSV, MetricsLog, read_metrics
from train.frozen.features import plan_shards
from train.spec import TrainSpec
from train.strategies.late_fusion import LateFusionStrategy
from train.strategies.ridge import Ridge, best_ridge, pooled_means
from train.strategy import trained

__all__ = ["METRICS", "RIDGE", "train_model"]


def train_model(spec: TrainSpec, progress: Progress | None = None) -> Plain:
    """Train, keep what is best on dev, write the model directory; returns its metrics."""
    progress = progress or Silent()
    check_towers(spec)
    found = training_data(spec, progress)
    with ray_session():
        lesson = _with_features(spec, found.lesson, progress)
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
            stopped.append(_train(own, lesson, progress))
    progress.note("scoring dev")
    strategy = strategy_of(spec, lesson, _device(spec))
    strategy.module.to(_device(spec))
    if trainings:
        metrics["training"] = _take_best(trainings, lesson, strategy, stopped)
    ridge = None
    if isinstance(strategy, LateFusionStrategy) and (spec.strategy == "ridge" or spec.features.cache != "off"):
        ridge, metrics["ridge"] = _ridge(spec, strategy)
    if spec.strategy == "ridge":
        _become(strategy, ridge)
    metrics["dev"] = dev_intervals(strategy, spec.seed)
    if spec.hybrid is not None:
        assert isinstance(strategy, LateFusionStrategy)
        metrics["hybrid"] = tune_hybrid(spec, strategy, lesson, progress, _device(spec))
    document = {"output": spec.output, **publish(spec, strategy, ridge, metrics)}
    return Plain(document, _words(document))


def _with_features(spec: TrainSpec, lesson: Lesson, progress: Progress) -> Lesson:
    """The frozen features of the clips: computed now, or to be computed as they are met."""
    if spec.strategy == "text":
        return lesson
    url = store.join(lesson.work, "features")
    shards = plan_shards(spec.encoder, lesson.clips, spec.features, spec.seed, url, lesson.num_train)
    if spec.features.cache == "disk":
        compute_features(spec, shards, progress)
    return lesson.with_shards(shards)


def _train(spec: TrainSpec, lesson: Lesson, progress: Progress) -> str:
    """To the last step, unless that was done before; why it stopped."""
    checkpoints = checkpoints_of(spec, lesson)
    newest = checkpoints.newest()
    if newest is not None and newest.finished:
        return "it was finished before"
    progress.note("what is frozen: the transform, the texts' vectors")
    # Here, once: all workers would begin with it at the same time.
    if spec.gpu:
        ray.get(ray.remote(num_gpus=1)(_frozen).remote(spec.model_dump(), lesson))
    else:
        strategy_of(spec, lesson)
    return _fit(spec, lesson, checkpoints, progress)


def _frozen(spec: dict[str, Any], lesson: Lesson) -> None:
    strategy_of(TrainSpec.parse(spec), lesson, "cuda")


def _take_best(
    trainings: Sequence[TrainSpec], lesson: Lesson, strategy: AnyStrategy, stopped: Sequence[str]
) -> dict[str, Any]:
    """The strategy has the best weights then; what is to be said of the training."""
    states: list[Mapping[str, torch.Tensor]] = []
    told: list[dict[str, Any]] = []
    for spec, why in zip(trainings, stopped, strict=True):
        checkpoints = checkpoints_of(spec, lesson)
        newest, best = checkpoints.newest(), checkpoints.best()
        if best is None or newest is None:
            raise WorkLeftUndone(f"{checkpoints.url} holds no scored checkpoint: run again")
        states.append(best.kept())
        done = {"best_epoch": best.epoch, "steps": newest.step, "epochs": newest.epoch + 1, "stopped": why}
        told.append({"seed": spec.seed, **done, "seconds": _seconds(Path(spec.output))})
    learnt = sum(value.numel() for value in trained(strategy.model).values())
    if len(states) == 1:
        strategy.load(states[0])
    else:
        assert isinstance(strategy, LateFusionStrategy)
        strategy.load_members(states)
    return {"runs": told, "trained_parameters": learnt}


def _device(spec: TrainSpec) -> str:
    """Of this process, which may be on a machine without the workers' GPUs."""
    return "cuda" if spec.gpu and torch.cuda.is_available() else "cpu"


def _fit(spec: TrainSpec, lesson: Lesson, checkpoints: Checkpoints, progress: Progress) -> str:
    """The workers, until they are done; why they stopped.  Raises what they gave up for."""
    _check_room(spec)
    scratch = cache_folder() / "ray-train"
    # A name of its own: Ray would take up the state of an earlier run by itself, but ours is in the checkpoints.
    name = f"{spec.strategy}-{secrets.token_hex(6)}"
    try:
        with MetricsLog(Path(spec.output)) as numbers:
            following = Following(spec, progress, numbers)
            with postbox(following.take) as box:
                _trainer(spec, lesson, checkpoints, box, str(scratch), name).fit()
    except (ray.train.TrainingFailedError, ray.exceptions.RayError) as error:
        raise WorkLeftUndone(
            f"the training's workers failed ({first_line(error)}); what was kept stays: run again, where memory ran out"
            " with fewer `workers` or a smaller optimiser.micro_batch"
        ) from None
    finally:
        shutil.rmtree(scratch / name, ignore_errors=True)
        progress.end()
    return following.stopped


def _trainer(
    spec: TrainSpec, lesson: Lesson, checkpoints: Checkpoints, box: Any, scratch: str, name: str
) -> TorchTrainer:
    workers = spec.workers if spec.fewest_workers is None else (spec.fewest_workers, spec.workers)
    return TorchTrainer(
        train_worker,
        train_loop_config={
            "spec": spec.model_dump(),
            # A reference: Ray's controller, which reads this too, would import all that a worker does.
            "task": ray.put((lesson, checkpoints)),
            "postbox": box,
        },
        scaling_config=ray.train.ScalingConfig(num_workers=workers, use_gpu=spec.gpu),
        torch_config=TorchConfig(backend="nccl" if spec.gpu else "gloo"),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=scratch,
            # How often is enough, the postbox decides: it knows whether they get on.
            failure_config=ray.train.FailureConfig(max_failures=-1),
        ),
    )


def _check_room(spec: TrainSpec) -> None:
    """Ray would wait for ever for cores that this machine does not have; a cluster may yet grow."""
    if os.environ.get("RAY_ADDRESS", "local") != "local":
        return
    kind, what = ("GPU", "GPUs") if spec.gpu else ("CPU", "cores")
    here = int(ray.cluster_resources().get(kind, 0))
    if (spec.fewest_workers or spec.workers) > here:
        raise SpecError(f"workers = {spec.workers}, and there are {here} {what} here; lower it, or submit to a cluster")


def _ridge(spec: TrainSpec, strategy: LateFusionStrategy) -> tuple[Ridge, dict[str, Any]]:
    """The baseline on the same clips; its strength, and whether synthetic speech helps it, chosen on the same dev."""
    documents, targets = strategy.targets.vectors["document"], strategy.targets
    pooled, held = (pooled_means(strategy.features, clips) for clips in (strategy.train, strategy.dev))
    right = np.asarray([targets.spoken[clip] for clip in strategy.dev])

    def score(ridge: Ridge) -> float:
        return float(np.mean(ndcg_at_10(ridge.predict(held).numpy() @ documents.numpy().T, right)))

    # A clip's target is the middle of its texts in all languages, as they are drawn at random otherwise.
    middles = torch.stack([documents[sorted(targets.own[clip].values())].mean(0) for clip in strategy.train])
    recorded = [row for row, clip in enumerate(strategy.train) if strategy.clips[clip].source != synthetic.SOURCE]
    parts = {"all": range(len(middles)), **({"recorded": recorded} if 1 < len(recorded) < len(middles) else {})}
    unit = torch.nn.functional.normalize(middles, dim=-1)
    best, (part, strength), scores = best_ridge(pooled, unit, spec.ridge, score, parts)
    told = {str(one): round(value, 4) for (of, one), value in scores.items() if of == part}
    return best, {"chosen": strength, "learnt_from": part, "dev_speech_to_text_by_strength": told}


def _become(strategy: AnyStrategy, ridge: Ridge | None) -> None:
    head = strategy.model.head
    assert ridge is not None
    assert head is not None
    head.take_ridge(ridge.centre, ridge.scale, ridge.weights, ridge.bias)


def _seconds(output: Path) -> float:
    """Of all epochs that the metrics tell of; 0 where there are none."""
    return round(sum(value for _, _, name, value in read_metrics(output / CSV) if name == EPOCH_SECONDS), 1)


def _words(document: dict[str, Any]) -> str:
    means = {name: one["mean"] for name, one in document["dev"].items()}
    lines = [f"model: {document['output']}", f"dev nDCG@10: {measures_words(means)}"]
    if "training" in document:
        lines += [
            f"training: {told['steps']} steps, epoch {told['best_epoch'] + 1} of {told['epochs']} was best;"
            f" {told['stopped']}"
            for told in document["training"]["runs"]
        ]
    if "hybrid" in document:
        lines.append(f"hybrid: weight {document['hybrid']['weight']}")
    dropped = "; ".join(f"{count} {reason}" for reason, count in document["dropped"].items())
    return "\n".join([*lines, *([f"left out: {dropped}"] if dropped else [])])
