"""How large features will be: as large as they then are."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from embed.encoder import SAMPLE_RATE
from embed.errors import SpecError
from embed.model.spec import EncoderSpec
from embed.model.towers.speech import SpeechTower
from tests.towers import Tiny, encoder_values
from tests.train.lesson import make_clips, tone
from train.curate.clip import Clip, read_clip
from train.frozen.features import compute_shard, plan_shards
from train.frozen.size import FeatureSize, expected_length, feature_size, seconds, tower_shape
from train.spec import FeatureSpec


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return make_clips(tmp_path_factory.mktemp("clips"), copies=2)


def spec_of(tiny: Tiny, speech: str = "whisper", **fusion: Any) -> EncoderSpec:
    return EncoderSpec.parse({**encoder_values(tiny, speech=speech), "fusion": {"width": 8, **fusion}})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whisper", "hubert", "wav2vec2-large", "wavlm", "w2v-bert"])
def test_lengths_are_the_towers_own(tiny: Tiny, kind: str) -> None:
    spec = spec_of(tiny, kind).speech
    assert spec is not None
    tower, shape = SpeechTower.load(spec), tower_shape(spec)
    assert (shape.width, shape.longest_s) == (tower.width, tower.longest_s)
    for samples in (8000, 8319, 8320, 8400, 12345):
        with torch.inference_mode():
            _, lengths = tower([np.resize(tone(0, 0), samples)])
        assert shape.frames(samples) == int(lengths[0])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_the_size_is_that_of_the_shards(tiny: Tiny, clips: list[Clip], tmp_path: Path, dtype: str) -> None:
    spec = spec_of(tiny, frame_pool=2)
    features = FeatureSpec.parse({"dtype": dtype, "views": [{}, {"speed": 1.1}]})
    found = feature_size(spec, clips, features, num_train=10)
    assert spec.speech is not None
    tower = SpeechTower.load(spec.speech)
    shards = plan_shards(spec, clips, features, 0, str(tmp_path), 10)
    for shard in shards:
        compute_shard(tower, shard)
    # Each file says in a few hundred bytes what it holds.
    written = sum(os.path.getsize(shard.url) - 300 for shard in shards)
    assert found.bytes == pytest.approx(written, rel=0.01)
    assert (found.clips, found.views) == (16, 2)
    assert found.frames == sum(frames for shard in shards for frames in shard.expected)
    assert found.hours * 3600 == pytest.approx(sum(len(read_clip(clip)) for clip in clips) / SAMPLE_RATE, rel=1e-3)


def test_nothing_kept_takes_no_room(tiny: Tiny, clips: list[Clip]) -> None:
    found = feature_size(spec_of(tiny), clips, FeatureSpec.parse({"cache": "off"}))
    assert found.bytes == 0
    assert found.frames > 0


def test_an_hour_of_all_layers_of_a_base_tower(tiny: Tiny) -> None:
    # 50 frames a second, 12 layers of 768 in float16: 3.3 GB an hour.  Here 3 layers of 32.
    clip = Clip("own", "own:1", "en", "hello", "nowhere.wav", {}, duration_s=36.0, size=1)
    found = feature_size(spec_of(tiny, "hubert"), [clip] * 100, FeatureSpec.parse({}))
    assert isinstance(found, FeatureSize)
    assert found.hours == pytest.approx(1)
    assert found.bytes == pytest.approx(50 * 3600 * 3 * 32 * 2, rel=0.01)


def test_averaged_frames_are_fewer(tiny: Tiny, clips: list[Clip]) -> None:
    view = FeatureSpec.parse({}).views[0]
    whole, half = (expected_length(spec_of(tiny, frame_pool=pool), clips[0], view) for pool in (1, 2))
    assert half == -(-whole // 2)


def test_an_unknown_duration_is_measured(clips: list[Clip]) -> None:
    known = len(read_clip(clips[0])) / SAMPLE_RATE
    assert seconds(replace(clips[0], duration_s=None)) == pytest.approx(known)


def test_speech_that_goes_nowhere_is_refused(tiny: Tiny, clips: list[Clip]) -> None:
    spec = spec_of(tiny).model_copy(update={"fusion": None})
    with pytest.raises(SpecError, match="encoder"):
        feature_size(spec, clips, FeatureSpec.parse({}))
