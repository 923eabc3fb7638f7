"""Frozen speech features by Ray actors: every shard that does not exist yet, whatever was killed before."""

from collections.abc import Mapping, Sequence
from typing import Any

import ray
import ray.exceptions
import torch
from ray.util import ActorPool

from embed.errors import DegluError, WorkLeftUndone
from embed.model.towers.speech import SpeechTower
from embed.storage import store
from jobs.cluster.ray_session import last_line
from jobs.command.progress import Progress
from train.frozen.features import Shard, compute_shard
from train.frozen.size import seconds
from train.spec import TrainSpec

RETRIES = 3  # of a shard whose actor was killed


def compute_features(spec: TrainSpec, shards: Sequence[Shard], progress: Progress) -> None:
    """As many actors as there are workers, one tower each.  Raises what is wrong with a recording."""
    missing = missing_shards(shards)
    if not missing:
        return
    progress.begin("speech features", len(missing), "shards")
    actors = [
        ray.remote(num_cpus=1, num_gpus=int(spec.gpu), max_restarts=-1, max_task_retries=RETRIES)(Featurer).remote(
            spec.model_dump()
        )
        for _ in range(min(spec.workers, len(missing)))
    ]
    try:
        for sound_s in ActorPool(actors).map_unordered(_computed, missing):
            progress.advance(1, sound_s)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, DegluError) else error from None
    except ray.exceptions.RayError as error:
        raise WorkLeftUndone(
            f"a worker was lost {RETRIES + 1} times over the same features ({last_line(error)}); what is done is"
            " kept: run again, where its memory ran out with fewer `workers`"
        ) from None
    finally:
        for actor in actors:
            ray.kill(actor)
    progress.end()


def missing_shards(shards: Sequence[Shard]) -> list[Shard]:
    """Those whose file does not exist."""
    folders = {shard.url.rpartition("/")[0] for shard in shards}
    standing = {entry.url for folder in folders for entry in store.listing(folder)}
    return [shard for shard in shards if shard.url not in standing]


def _computed(actor: Any, shard: Shard) -> Any:
    return actor.compute.remote(shard)


class Featurer:
    """The speech tower, loaded once a worker."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        torch.set_num_threads(1)
        encoder = TrainSpec.parse(spec).encoder
        assert encoder.speech is not None
        self._tower = SpeechTower.load(encoder.speech).to("cuda" if torch.cuda.is_available() else "cpu")

    def compute(self, shard: Shard) -> float:
        """Seconds of sound that were encoded."""
        compute_shard(self._tower, shard)
        return sum(seconds(clip) for clip in shard.clips)
