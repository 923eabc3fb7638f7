"""`deglu train`: frozen features by Ray tasks, then data-parallel training with Ray Train around `train.loop`.

Everything that is frozen is computed once and kept under the work folder: speech features in shards, texts as vectors.
The best epoch on dev is kept; test is not touched here.
"""

import json
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer, prepare_model
from ray.util import ActorPool
from safetensors.torch import load_file, save_file
from torch import Tensor

from embed.cache import cache_folder
from embed.encoder import FloatArray, Role
from embed.errors import SpecError
from embed.identity import digest
from embed.model.directory import assemble, save_model, tower_digest
from embed.model.late_fusion import LateFusion, by_budget
from embed.model.speech_tower import SpeechTower
from embed.model.transform import fit
from evaluate.metrics import ndcg_at_10
from jobs.model_card import card
from jobs.progress import Progress, Silent
from jobs.ray_session import ray_session
from train.curate.sources.clips import Clip
from train.data import clips_by_part, mixed_texts
from train.features import Features, Shard, compute_shard, plan_shards
from train.loop import run
from train.ridge import Ridge, best_ridge, pooled_means
from train.spec import TrainSpec
from train.targets import Targets, encode_texts, gather_texts, targets_of

BEST = "dev_ndcg_at_10"
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


def frozen_side(spec: TrainSpec, train: Sequence[Clip], work: Path) -> LateFusion:
    """The untrained model with its transform fitted; the fit is kept, so that every worker has the same one."""
    model = assemble(spec.encoder)
    if model.transform is None:
        return model
    place = _transform_path(spec, work)
    if not place.exists():
        # All texts of the towers' space as it is, before any transform.
        plain = assemble(spec.encoder.model_copy(update={"transform": False, "speech": None, "fusion": None}))
        langs = sorted({lang for source in spec.sources for lang in source.langs} | set(spec.target_langs))
        texts = mixed_texts(train, langs, spec.manuals, cache_folder(), spec.seed)
        fitted = fit(torch.from_numpy(plain.encode(texts, "document")))
        place.parent.mkdir(parents=True, exist_ok=True)
        save_file(fitted.state_dict(), place)
    model.transform.load_state_dict(load_file(place))
    return model


def frozen_targets(spec: TrainSpec, model: LateFusion, clips: Sequence[Clip], work: Path) -> Targets:
    """The texts of the clips with their vectors, encoded once and kept."""
    texts, own = gather_texts(clips, spec.target_langs)
    place = work / f"targets-{digest(_transform_path(spec, work).name, texts).hex()}.safetensors"
    if not place.exists():
        save_file(dict(encode_texts(model, texts)), place)
    return targets_of(clips, texts, own, load_file(place))


def _transform_path(spec: TrainSpec, work: Path) -> Path:
    """Named by what the fit depends on, so that trainings which differ elsewhere share it."""
    text = [spec.encoder.text.model_dump(mode="json"), tower_digest(spec.encoder.text.name)]
    mixed = [[source.model_dump(mode="json") for source in spec.sources], spec.target_langs, spec.manuals, spec.seed]
    return work / f"transform-{digest(text, mixed).hex()}.safetensors"


def _fit_parallel(
    spec: TrainSpec, shards: Sequence[Shard], clips: Sequence[Clip], num_train: int, work: Path, progress: Progress
) -> dict[str, Any]:
    progress.note(f"training on {num_train} clips, {spec.workers} workers, {spec.epochs} epochs")
    trainer = TorchTrainer(
        _worker,
        train_loop_config={
            "spec": spec.model_dump(),
            "shards": list(shards),
            "clips": list(clips),
            "num_train": num_train,
            "work": str(work),
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
    result = trainer.fit()
    checkpoint, metrics = max(result.best_checkpoints, key=lambda pair: pair[1][BEST])
    with checkpoint.as_directory() as folder:
        return {
            "best_epoch": metrics["epoch"],
            "training_seconds": metrics["elapsed_s"],
            "weights": load_file(Path(folder) / "fusion.safetensors"),
        }


def _worker(config: Mapping[str, Any]) -> None:
    """One data-parallel worker; rank 0 scores dev and reports the checkpoint."""
    spec = TrainSpec.parse(config["spec"])
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(1 if not spec.gpu else 4)
    clips, num_train = config["clips"], config["num_train"]
    torch.manual_seed(spec.seed)  # before the fusion is made: its first weights are the seed's too
    model = frozen_side(spec, clips[:num_train], Path(config["work"]))
    targets = frozen_targets(spec, model, clips, Path(config["work"]))
    features = Features(config["shards"], len(clips))
    train, dev = range(num_train), range(num_train, len(clips))
    assert model.fusion is not None
    model.fusion.standardise(*features.spread(train, spec.seed))
    model.fusion.start_at(model.text.model.get_input_embeddings().weight)
    device = str(ray.train.torch.get_device())
    elapsed = 0.0
    for epoch in run(model, features, targets, train, spec, rank=rank, world=world, wrap=prepare_model, device=device):
        elapsed += epoch.seconds
        score = dev_scores(model, features, targets, dev) if rank == 0 else {BEST: 0.0}
        metrics = {"epoch": epoch.number, "loss": epoch.loss, "elapsed_s": round(elapsed, 1), **score}
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            if rank == 0:
                save_file(model.fusion.state_dict(), Path(folder) / "fusion.safetensors")
                checkpoint = ray.train.Checkpoint.from_directory(folder)
                print(f"epoch {epoch.number} {json.dumps(metrics)}", flush=True)  # noqa: T201 - the worker's log
            ray.train.report(metrics, checkpoint=checkpoint)


def dev_scores(model: LateFusion, features: Features, targets: Targets, dev: Sequence[int]) -> dict[str, float]:
    """Mean nDCG@10 over the dev clips: spoken question to texts of each language, typed question to speech."""
    spoken = speech_vectors(model, features, dev, "query")
    heard = speech_vectors(model, features, dev, "document")
    cross: list[float] = []
    back: list[float] = []
    for lang in sorted(set(targets.langs)):
        asked = [row for row, clip in enumerate(dev) if lang in targets.own[clip]]
        if not asked:
            continue
        positions = [i for i, found in enumerate(targets.langs) if found == lang]
        column = {position: i for i, position in enumerate(positions)}
        right = np.asarray([column[targets.own[dev[row]][lang]] for row in asked])
        documents = targets.vectors["document"][positions].numpy()
        cross += ndcg_at_10(spoken[asked] @ documents.T, right).tolist()
        questions = targets.vectors["query"][[targets.own[dev[row]][lang] for row in asked]].numpy()
        own = [{i for i, other in enumerate(asked) if right[i] == right[row]} for row in range(len(asked))]
        back += ndcg_at_10(questions @ heard[asked].T, own).tolist()
    to_text, to_speech = float(np.mean(cross)), float(np.mean(back))
    return {BEST: (to_text + to_speech) / 2, "dev_speech_to_text": to_text, "dev_text_to_speech": to_speech}


def speech_vectors(model: LateFusion, features: Features, clips: Sequence[int], role: Role) -> FloatArray:
    """Unit vectors [n, D] of cached clips, without augmentation."""
    was_training = model.training
    model.eval()
    out: list[Tensor] = [torch.empty(0)] * len(clips)
    device = next(model.text.parameters()).device
    with torch.inference_mode():
        for group in by_budget([features.length(clip) for clip in clips], 1500):
            frames = [features.frames(clips[i]) for i in group]
            lengths = torch.tensor([len(one) for one in frames], device=device)
            padded = torch.nn.utils.rnn.pad_sequence(frames, batch_first=True).to(device)
            for i, vector in zip(group, model(padded, lengths, role).float().cpu(), strict=True):
                out[i] = vector
    model.train(was_training)
    vectors: FloatArray = torch.stack(out).numpy()
    return vectors


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
