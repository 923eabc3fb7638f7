"""Epochs over cached features against epochs that encode every clip again: the same steps on the demo's towers."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import soundfile
import torch

from embed.encoder import SAMPLE_RATE
from embed.model.towers.speech import SpeechTower
from embed.model.weights import assemble
from evaluate.bench.embed.samples import waves
from evaluate.bench.shape import Row
from evaluate.bench.train.lesson import late_fusion_spec, made_up_targets
from evaluate.bench.train.parallel import check_losses
from evaluate.bench.turns import Alive, measured, playing, processes
from evaluate.measures.metrics import ndcg_at_10
from train.curate.clip import Clip
from train.events import StepDone
from train.fit.loop import run
from train.frozen.features import Features, Shard, UncachedFeatures, compute_shard, plan_shards
from train.spec import TrainSpec
from train.strategies.late_fusion import LateFusionStrategy

CACHED, UNCACHED = "cached features", "features computed anew each epoch"
GOAL = 5.0
SPARE = 2  # steps that are prepared ahead and not run


def cache_rows(turns: int, per_turn: int, batch: int) -> list[Row]:
    """Clips a CPU second and peak memory; and the size of the cache."""
    with tempfile.TemporaryDirectory() as folder:
        spec = late_fusion_spec(batch)
        clips = recorded(((turns + 1) * per_turn + SPARE) * batch, Path(folder))
        shards = plan_shards(spec.encoder, clips, spec.features, spec.seed, f"{folder}/features")
        task = {"shards": shards, "per_turn": per_turn, "batch": batch, "clips": len(clips)}
        assert spec.encoder.speech is not None
        tower = SpeechTower.load(spec.encoder.speech)
        for shard in shards:
            compute_shard(tower, shard)
        stored = sum(Path(shard.url).stat().st_size for shard in shards) / 1e6
        spent = measured({CACHED: partial(way, task, CACHED), UNCACHED: partial(way, task, UNCACHED)}, turns)
    check_losses(spent)
    mine, other = spent[CACHED], spent[UNCACHED]
    what = f"late fusion from {CACHED}, batches of {batch}"
    hours = sum(clip.duration_s or 0 for clip in clips) / 3600
    return [
        Row(what, UNCACHED, per_turn * batch / mine.cpu_s, per_turn * batch / other.cpu_s, "clips/cpu-s", GOAL),
        Row(f"{what}, peak", UNCACHED, mine.peak_mb, other.peak_mb, "MB", lower_is_better=True),
        Row(f"features of {len(clips)} clips", UNCACHED, stored / hours, None, "MB/h", reason="it stores no features"),
    ]


def recorded(num: int, folder: Path) -> list[Clip]:
    """Real prompts, or noise of the same length, written to the folder like a user's own recordings."""
    clips = []
    for i, wave in enumerate(waves(num)[0]):
        path = folder / f"{i}.wav"
        soundfile.write(path, wave, SAMPLE_RATE)
        key, length_s, size = f"own:{i}", len(wave) / SAMPLE_RATE, path.stat().st_size
        clips.append(Clip("own", key, "fr", str(i), str(path), {}, duration_s=length_s, size=size))
    return clips


def way(task: Mapping[str, Any], name: str, port: int) -> AbstractContextManager[Alive]:
    return processes(worker, 1, (dict(task), name, port))


def worker(_: int, task: Mapping[str, Any], name: str, port: int) -> None:
    torch.set_num_threads(1)
    with playing(port, name, task["per_turn"]) as player:
        spec = late_fusion_spec(task["batch"])
        player.play(steps(spec, features_of(spec, task["shards"], task["clips"], name == CACHED)))


def features_of(spec: TrainSpec, shards: Sequence[Shard], num: int, cached: bool) -> Features:
    speech = spec.encoder.speech
    assert speech is not None
    return Features(shards, num) if cached else UncachedFeatures(shards, num, lambda: SpeechTower.load(speech))


def steps(spec: TrainSpec, features: Features) -> Iterator[float]:
    torch.manual_seed(spec.seed)
    model = assemble(spec.encoder)
    targets = made_up_targets(features.num_clips, model.dims[0])
    strategy = LateFusionStrategy(model, features, targets, range(features.num_clips), [], spec, ndcg_at_10)
    for event in run(strategy, spec):
        if isinstance(event, StepDone):
            yield event.losses["loss"]
