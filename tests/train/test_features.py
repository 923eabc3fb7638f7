"""Frozen features: computed once, whole or not at all, and equal to what the tower says."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from embed.encoder import SAMPLE_RATE
from embed.model.fusion import shorten
from embed.model.spec import EncoderSpec
from embed.model.speech_tower import SpeechTower
from tests.towers import Tiny, encoder_values
from tests.train.lesson import make_clips
from train import features as module
from train.curate.sources.clips import Clip, read_clip
from train.features import Features, Shard, at_speed, compute_shard, plan_shards

POOL = 2


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return make_clips(tmp_path_factory.mktemp("clips"), copies=1)


@pytest.fixture(scope="module")
def spec(tiny: Tiny) -> EncoderSpec:
    values = encoder_values(tiny)
    return EncoderSpec.parse({**values, "fusion": {"width": 8, "frame_pool": POOL}})


@pytest.fixture(scope="module")
def tower(spec: EncoderSpec) -> SpeechTower:
    assert spec.speech is not None
    return SpeechTower.load(spec.speech)


def made(spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], folder: Path) -> tuple[Features, list[Shard]]:
    shards = plan_shards(spec, clips, (1.0, 1.25), folder)
    for shard in shards:
        compute_shard(tower, POOL, shard)
    return Features(shards, len(clips)), shards


def test_features_are_what_the_tower_says(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLIPS_PER_SHARD", 3)
    features, shards = made(spec, tower, clips, tmp_path)
    assert [len(shard.clips) for shard in shards] == [3, 3, 2] * 2
    assert (features.num_clips, features.speeds, features.width) == (8, 2, 64)  # two layers of 32
    for number, clip in enumerate(clips):
        for place, speed in enumerate((1.0, 1.25)):
            wave = at_speed(read_clip(clip.path), speed)
            with torch.inference_mode():
                frames, lengths = tower([wave])
                frames, lengths = shorten(frames, lengths, POOL)
            assert features.length(number, place) == int(lengths[0])
            # float16 on disk
            torch.testing.assert_close(features.frames(number, place), frames[0], atol=5e-3, rtol=2e-3)


def test_what_stands_is_not_computed_again(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, shards = made(spec, tower, clips, tmp_path)
    monkeypatch.setattr(SpeechTower, "forward", lambda *_: pytest.fail("computed again"))
    second, again = made(spec, tower, clips, tmp_path)
    assert shards == again
    assert torch.equal(first.frames(3, 1), second.frames(3, 1))


def test_a_shard_appears_whole_or_not_at_all(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def slow_save(tensors: dict[str, torch.Tensor], path: Path) -> None:
        save_file(tensors, path)
        seen.append([one.name for one in tmp_path.glob("*.safetensors")])
        raise OSError("no space left on device")

    monkeypatch.setattr(module, "save_file", slow_save)
    (shard,) = plan_shards(spec, clips, (1.0,), tmp_path)
    with pytest.raises(OSError, match="no space"):
        compute_shard(tower, POOL, shard)
    assert seen == [[]]
    assert not shard.path.exists()
    monkeypatch.undo()
    compute_shard(tower, POOL, shard)
    assert [one.name for one in tmp_path.glob("*.safetensors")] == [shard.path.name]


def test_the_name_is_of_what_went_in(spec: EncoderSpec, clips: list[Clip], tmp_path: Path) -> None:
    def names(spec: EncoderSpec, clips: list[Clip], speed: float = 1.0) -> set[str]:
        return {shard.path.name for shard in plan_shards(spec, clips, (speed,), tmp_path)}

    assert spec.fusion is not None
    assert spec.speech is not None
    base = names(spec, clips)
    wider = spec.model_copy(update={"fusion": spec.fusion.model_copy(update={"width": 16})})
    assert names(wider, clips) == base  # what comes after the frames does not matter
    pooled = spec.model_copy(update={"fusion": spec.fusion.model_copy(update={"frame_pool": 4})})
    layers = spec.model_copy(update={"speech": spec.speech.model_copy(update={"layers": (1,)})})
    others = [names(pooled, clips), names(layers, clips), names(spec, clips[1:]), names(spec, clips, 1.1)]
    assert len({frozenset(one) for one in [base, *others]}) == 5
    assert all(re.fullmatch(r"[0-9a-f]{32}\.safetensors", name) for name in base)


def test_a_speed_shortens_the_wave_and_raises_the_pitch() -> None:
    time_s = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    wave = np.sin(2 * np.pi * 400 * time_s).astype(np.float32)
    fast = at_speed(wave, 1.25)
    assert len(fast) == pytest.approx(SAMPLE_RATE / 1.25, abs=2)
    peak_hz = np.abs(np.fft.rfft(fast)).argmax() * SAMPLE_RATE / len(fast)
    assert peak_hz == pytest.approx(500, abs=2)
    assert at_speed(wave, 1.0) is wave


def test_the_spread_is_of_the_given_clips(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path
) -> None:
    features, _ = made(spec, tower, clips, tmp_path)
    mean, deviation = features.spread(range(4), seed=0)
    frames = torch.cat([features.frames(i) for i in range(4)])
    torch.testing.assert_close(mean, frames.mean(0))
    torch.testing.assert_close(deviation, frames.std(0).clamp_min(1e-4))
    few = features.spread(range(4), seed=0, sample=1)
    assert any(torch.equal(few[0], features.frames(i).mean(0)) for i in range(4))
