"""Frozen speech features, computed by Ray actors: every shard that is missing, also after a kill."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import ray
import torch
from ray.util import ActorPool

from embed.model.towers.speech import SpeechTower
from embed.storage import store
from jobs.cluster.attempts import ATTEMPTS, Attempts
from jobs.cluster.handshake import Terms, check_once
from jobs.cluster.worker_errors import plain_errors
from jobs.command.progress import Progress
from jobs.training.training_machines import TrainingMachines
from train.frozen.features import Shard, compute_shard
from train.frozen.size import seconds
from train.spec import TrainSpec


def compute_features(
    spec: TrainSpec,
    shards: Sequence[Shard],
    progress: Progress,
    machines: TrainingMachines,
    attempts: Attempts = ATTEMPTS,
) -> None:
    """Compute the missing shards by one actor for each worker, one tower each.  Raises the error of a recording."""
    missing = missing_shards(shards)
    if not missing:
        return
    progress.begin("speech features", len(missing), "shards")
    retries = attempts.task_retries
    actor = ray.remote(
        num_cpus=1, num_gpus=int(spec.gpu), max_restarts=-1, max_task_retries=retries, **machines.options
    )(Featurer)
    actors = [actor.remote(spec.model_dump(), machines.terms) for _ in range(min(spec.workers, len(missing)))]
    try:
        with plain_errors(retries):
            for sound_s in ActorPool(actors).map_unordered(_computed, missing):
                progress.advance(1, sound_s)
    finally:
        for actor in actors:
            ray.kill(actor)
    progress.end()


def missing_shards(shards: Sequence[Shard]) -> list[Shard]:
    """Shards whose file does not exist."""
    folders = {shard.url.rpartition("/")[0] for shard in shards}
    existing = {entry.url for folder in folders for entry in store.listing(folder)}
    return [shard for shard in shards if shard.url not in existing]


def _computed(actor: Any, shard: Shard) -> Any:
    return actor.compute.remote(shard)


class Featurer:
    """The speech tower, loaded once a worker."""

    def __init__(self, spec: Mapping[str, Any], terms: Terms) -> None:
        torch.set_num_threads(1)
        self._spec, self._terms = spec, terms

    @cached_property
    def _tower(self) -> SpeechTower:
        encoder = TrainSpec.parse(self._spec).encoder
        assert encoder.speech is not None
        device = "cuda" if torch.cuda.is_available() else "cpu"
        # Without transformers where it can be: the frames are the same, and it takes seconds to import.
        return SpeechTower.load(encoder.speech, plain=device == "cpu").to(device)

    def compute(self, shard: Shard) -> float:
        """Compute and write one shard; returns its seconds of sound.  Raises MachineFault."""
        check_once(self._terms)  # this machine may have joined after all were asked
        compute_shard(self._tower, shard)
        return sum(seconds(clip) for clip in shard.clips)
