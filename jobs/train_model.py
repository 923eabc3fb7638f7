"""`deglu train`: frozen features by Ray tasks, then data-parallel training with Ray Train around `train.loop`.

Everything that is frozen is computed once and kept under the work folder: speech features in shards, texts as vectors.
The best epoch on dev is kept; test is not touched here.
"""

import json
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util import ActorPool
from ray.util.queue import Queue
from safetensors.torch import load_file, save_file
from torch import Tensor

from embed.cache import cache_folder
from embed.errors import SpecError
from embed.model.directory import save_model
from embed.model.speech_tower import SpeechTower
from evaluate.metrics import ndcg_at_10
from jobs.frozen_side import frozen_side, frozen_targets
from jobs.model_card import card
from jobs.progress import Progress, Silent
from jobs.ray_session import ray_session
from jobs.train_worker import BEST, FUSION, TO_SPEECH, TO_TEXT, dev_scores, train_worker
from train.curate.sources.clips import Clip
from train.data import clips_by_part
from train.features import Features, Shard, compute_shard, plan_shards
from train.ridge import Ridge, best_ridge, pooled_means
from train.spec import TrainSpec
from train.targets import Targets

RIDGE, METRICS = "ridge.safetensors", "metrics.json"


def train_model(spec: TrainSpec, progress: Progress | None = None) -> dict[str, Any]:
    """Train, keep the best epoch on dev, write the model directory; returns its metrics."""
    progress = progress or Silent()
    if spec.encoder.speech is None or spec.encoder.fusion is None:
        raise SpecError(
            "field 'encoder': late fusion needs speech and fusion; name a speech tower and add `fusion: {}`"
        )
    work = Path(spec.work).absolute() if spec.work else cache_folder() / "train"
    parts = clips_by_part(spec.sources, cache_folder())
    clips = [*parts["train"], *parts["dev"]]
    shards = plan_shards(spec.encoder, clips, spec.speeds, work / "features")
    with ray_session():
        compute_features(spec, shards, progress)
        progress.note("the frozen side: transform and text vectors")
        model = frozen_side(spec, parts["train"], work)
        targets = frozen_targets(spec, model, clips, work)
        best = _fit_parallel(spec, shards, clips, len(parts["train"]), work, progress)
    assert model.fusion is not None
    model.fusion.load_state_dict(best.pop("weights"))
    features = Features(shards, len(clips))
    train, dev = range(len(parts["train"])), range(len(parts["train"]), len(clips))
    ridge, ridge_scores = _ridge(spec, features, targets, train, dev)
    metrics = {
        "clips": {part: len(found) for part, found in parts.items()},
        "hours": round(sum(features.length(i) for i in train) / 25 / 3600 * spec.encoder.fusion.frame_pool / 2, 3),
        "dev": dev_scores(model, features, targets, dev),
        "dev_ridge_ndcg_at_10_by_strength": ridge_scores,
        **best,
    }
    output = Path(spec.output)
    save_model(model, output, card(spec, metrics))
    save_file({name: value.half().contiguous() for name, value in ridge.state().items()}, output / RIDGE)
    (output / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    return {"output": str(output), **metrics}


def compute_features(spec: TrainSpec, shards: Sequence[Shard], progress: Progress) -> None:
    """Every shard that does not stand yet, by as many actors as there are workers."""
    missing = [shard for shard in shards if not shard.path.exists()]
    progress.begin("speech features", len(missing), "shards")
    if missing:
        actors = [
            ray.remote(num_cpus=1, num_gpus=int(spec.gpu))(Featurer).remote(spec.model_dump())
            for _ in range(spec.workers)
        ]
        for _ in ActorPool(actors).map_unordered(lambda actor, shard: actor.compute.remote(shard), missing):
            progress.advance(1)
        for actor in actors:
            ray.kill(actor)
    progress.end()


class Featurer:
    """The speech tower, loaded once a worker."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        torch.set_num_threads(1)
        encoder = TrainSpec.parse(spec).encoder
        assert encoder.speech is not None
        assert encoder.fusion is not None
        self._frame_pool = encoder.fusion.frame_pool
        self._tower = SpeechTower.load(encoder.speech).to("cuda" if torch.cuda.is_available() else "cpu")

    def compute(self, shard: Shard) -> None:
        compute_shard(self._tower, self._frame_pool, shard)


def _fit_parallel(
    spec: TrainSpec, shards: Sequence[Shard], clips: Sequence[Clip], num_train: int, work: Path, progress: Progress
) -> dict[str, Any]:
    progress.begin(f"training on {num_train} clips with {spec.workers} workers", spec.epochs, "epochs")
    with _told(progress) as told:
        result = _trainer(spec, shards, clips, num_train, work, told).fit()
    progress.end()
    checkpoint, metrics = max(result.best_checkpoints, key=lambda pair: pair[1][BEST])
    with checkpoint.as_directory() as folder:
        return {
            "best_epoch": metrics["epoch"],
            "training_seconds": metrics["elapsed_s"],
            "weights": load_file(Path(folder) / FUSION),
        }


@contextmanager
def _told(progress: Progress) -> Iterator[Queue]:
    """A queue on which the workers tell of each epoch, and a thread that passes it on: `fit` itself is silent."""
    queue = Queue(actor_options={"num_cpus": 0})

    def tell() -> None:
        while (epoch := queue.get()) is not None:
            progress.advance(1)
            progress.note(
                f"epoch {epoch['epoch']}: loss {epoch['loss']:.3f}, dev nDCG@10 {epoch[TO_TEXT]:.3f} speech to text,"
                f" {epoch[TO_SPEECH]:.3f} text to speech"
            )

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield queue
    finally:
        queue.put(None)
        thread.join()
        queue.shutdown(force=True)


def _trainer(
    spec: TrainSpec, shards: Sequence[Shard], clips: Sequence[Clip], num_train: int, work: Path, told: Queue
) -> TorchTrainer:
    return TorchTrainer(
        train_worker,
        train_loop_config={
            "spec": spec.model_dump(),
            "shards": list(shards),
            "clips": list(clips),
            "num_train": num_train,
            "work": str(work),
            "told": told,
        },
        scaling_config=ray.train.ScalingConfig(num_workers=spec.workers, use_gpu=spec.gpu),
        torch_config=TorchConfig(backend="nccl" if spec.gpu else "gloo"),
        run_config=ray.train.RunConfig(
            # A name of its own: checkpoints of an earlier run must not be taken for this one's.
            name=f"late-fusion-{spec.identity()[:8]}-{secrets.token_hex(4)}",
            storage_path=str(work / "runs"),
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=1, checkpoint_score_attribute=BEST, checkpoint_score_order="max"
            ),
        ),
    )


def _ridge(
    spec: TrainSpec, features: Features, targets: Targets, train: Sequence[int], dev: Sequence[int]
) -> tuple[Ridge, dict[str, float]]:
    """The baseline on the same clips, its strength chosen on the same dev clips."""
    documents = targets.vectors["document"]
    pooled, held = pooled_means(features, train), pooled_means(features, dev)

    def score(ridge: Ridge) -> float:
        vectors = ridge.predict(held).numpy()
        right = np.asarray([targets.spoken[clip] for clip in dev])
        return float(np.mean(ndcg_at_10(vectors @ documents.numpy().T, right)))

    wanted = torch.stack([_mean_target(documents, targets, clip) for clip in train])
    best, _, scores = best_ridge(pooled, wanted, spec.ridge, score)
    return best, {str(strength): round(value, 4) for strength, value in scores.items()}


def _mean_target(documents: Tensor, targets: Targets, clip: int) -> Tensor:
    """A clip's target: the middle of its texts in all languages, as late fusion sees them at random."""
    return torch.nn.functional.normalize(documents[sorted(targets.own[clip].values())].mean(0), dim=0)
