"""Frozen features: computed once, whole or not at all, equal to what the tower says however they are kept."""

import os
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from embed.encoder import SAMPLE_RATE
from embed.errors import InputError, SpecError, StorageError
from embed.model.fusion import shorten
from embed.model.spec import EncoderSpec
from embed.model.towers.speech import SpeechTower
from embed.storage import store
from tests.towers import Tiny, encoder_values
from tests.train.lesson import make_clips, tone
from train.curate.clip import Clip, read_clip
from train.frozen import features as module
from train.frozen.augment import at_speed
from train.frozen.features import Features, Shard, UncachedFeatures, compute_shard, plan_shards
from train.spec import FeatureSpec

POOL = 2
VIEWS: list[dict[str, Any]] = [{}, {"speed": 1.25}, {"noise": "babble", "snr_db": 5, "reverb_s": 0.2}]
NUM_TRAIN = 6


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


def heard_in(views: Sequence[dict[str, Any]], **changed: Any) -> FeatureSpec:
    return FeatureSpec.parse({"views": list(views), **changed})


def made(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], url: str, features: FeatureSpec | None = None
) -> tuple[Features, list[Shard]]:
    shards = plan_shards(spec, clips, features or heard_in(VIEWS), 0, url, NUM_TRAIN)
    for shard in shards:
        compute_shard(tower, shard)
    return Features(shards, len(clips)), shards


def every(features: Features, views: int = len(VIEWS)) -> list[Tensor]:
    """All frames that are planned: dev in view 0 only."""
    return [
        features.frames(clip, view)
        for view in range(views)
        for clip in range(features.num_clips if view == 0 else NUM_TRAIN)
    ]


@pytest.mark.slow
def test_features_are_what_the_tower_says(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLIPS_PER_SHARD", 3)
    features, shards = made(spec, tower, clips, str(tmp_path))
    assert [(shard.view, shard.first, len(shard.clips)) for shard in shards] == [
        *((0, 0, 3), (0, 3, 3), (0, 6, 2)),
        *((1, 0, 3), (1, 3, 3)),
        *((2, 0, 3), (2, 3, 3)),
    ]
    assert (features.num_clips, features.num_views(0), features.num_views(7), features.width) == (
        8,
        3,
        1,
        64,
    )  # two layers of 32
    for number, clip in enumerate(clips):
        for view, speed in [(0, 1.0), (1, 1.25)] if number < NUM_TRAIN else [(0, 1.0)]:
            wave = at_speed(read_clip(clip), speed)
            np.testing.assert_array_equal(features.wave(number, view), wave)
            with torch.inference_mode():
                frames, lengths = tower([wave])
                frames, lengths = shorten(frames, lengths, POOL)
            found = features.frames(number, view)
            assert len(found) == int(lengths[0])
            assert abs(features.length(number, view) - len(found)) <= 1
            torch.testing.assert_close(found, frames[0], atol=5e-3, rtol=2e-3)  # of float16


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_on_disk_on_the_fly_and_off_are_the_same(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path, dtype: str
) -> None:
    wanted = heard_in(VIEWS, dtype=dtype)
    on_disk, _ = made(spec, tower, clips, str(tmp_path / "disk"), wanted)
    loaded = []

    def factory() -> SpeechTower:
        loaded.append(1)
        return tower

    shards = plan_shards(spec, clips, wanted, 0, str(tmp_path / "fly"), NUM_TRAIN)
    on_the_fly, off = Features(shards, len(clips), factory), UncachedFeatures(shards, len(clips), factory)
    assert not loaded  # before anything is asked for
    for kept, met, now in zip(every(on_disk), every(on_the_fly), every(off), strict=True):
        assert torch.equal(kept, met)
        # A clip by itself and among others differ by rounding: a step of float16, or one of int8 here and there.
        step = now.abs().amax(0) / 127 if dtype == "int8" else now.abs() * 2**-10 + 1e-4
        assert bool(((kept - now).abs() <= step * 1.01).all())
    assert len(loaded) == 2  # once each
    assert len(list((tmp_path / "fly").glob("*.safetensors"))) == len(shards)


def test_a_trainings_autocast_changes_no_frame(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path
) -> None:
    """Dev is scored under it, and may be met there first."""
    shards = plan_shards(spec, clips, heard_in([{}]), 0, str(tmp_path))
    kept, off = Features(shards, len(clips), lambda: tower), UncachedFeatures(shards, len(clips), lambda: tower)
    with torch.autocast("cpu", torch.bfloat16):
        under = [off.frames(0), kept.frames(0)]
    for found in under:
        assert torch.equal(found, off.frames(0))


@pytest.mark.slow
def test_int8_is_half_as_large_and_nearly_the_same(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path
) -> None:
    whole, large = made(spec, tower, clips, str(tmp_path / "float16"))
    eighth, small = made(spec, tower, clips, str(tmp_path / "int8"), heard_in(VIEWS, dtype="int8"))
    errors = [float((a - b).norm() / a.norm()) for a, b in zip(every(whole), every(eighth), strict=True)]
    assert max(errors) < 0.01
    frames = [sum(os.path.getsize(shard.url) for shard in shards) for shards in (large, small)]
    assert frames[1] < 0.85 * frames[0]  # the clips are short, and each has its scale


def test_the_seed_decides_what_is_drawn(spec: EncoderSpec, clips: list[Clip], tmp_path: Path) -> None:
    def waves(seed: int) -> list[Any]:
        shards = plan_shards(spec, clips, heard_in(VIEWS), seed, str(tmp_path), NUM_TRAIN)
        return [shard.wave(row) for shard in shards for row in range(len(shard.clips))]

    first, again, other = waves(0), waves(0), waves(1)
    plain = len(clips) + NUM_TRAIN
    for row, (one, two, three) in enumerate(zip(first, again, other, strict=True)):
        assert np.array_equal(one, two)
        assert np.array_equal(one, three) == (row < plain)


def test_a_clip_is_heard_alike_in_any_place_of_the_list(spec: EncoderSpec, clips: list[Clip], tmp_path: Path) -> None:
    noise = heard_in([{"noise": "pink"}])
    (ahead,) = plan_shards(spec, clips, noise, 0, str(tmp_path))
    (back,) = plan_shards(spec, clips[::-1], noise, 0, str(tmp_path))
    np.testing.assert_array_equal(ahead.wave(2), back.wave(len(clips) - 3))


def test_babble_is_of_other_prompts_of_the_training(spec: EncoderSpec, clips: list[Clip], tmp_path: Path) -> None:
    babble = heard_in([{"noise": "babble"}])
    for shard in plan_shards(spec, clips, babble, 0, str(tmp_path), NUM_TRAIN):
        assert {voice.key for voice in shard.voices} == {clip.key for clip in clips[:NUM_TRAIN]}
    with pytest.raises(SpecError, match="babble requires other prompts"):
        plan_shards(spec, clips[:1], babble, 0, str(tmp_path))


def test_what_stands_is_not_computed_again(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, shards = made(spec, tower, clips, str(tmp_path))
    monkeypatch.setattr(SpeechTower, "forward", lambda *_: pytest.fail("computed again"))
    second, again = made(spec, tower, clips, str(tmp_path))
    assert shards == again
    assert torch.equal(first.frames(3, 1), second.frames(3, 1))


def full_disk(seen: list[list[str]], folder: Path) -> Callable[[dict[str, Tensor], Path], None]:
    def save(tensors: dict[str, Tensor], path: Path) -> None:
        save_file(tensors, path)
        seen.append([one.name for one in folder.glob("*.safetensors")])
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    return save


def test_a_shard_appears_whole_or_not_at_all(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(module, "save_file", full_disk(seen, tmp_path))
    (shard,) = plan_shards(spec, clips, heard_in([{}]), 0, str(tmp_path))
    with pytest.raises(StorageError, match=r"No space left .*free disk space"):
        compute_shard(tower, shard)
    assert seen == [[]]
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    compute_shard(tower, shard)
    assert [str(one) for one in tmp_path.iterdir()] == [shard.url]


def names(spec: EncoderSpec, clips: list[Clip], views: Sequence[dict[str, Any]] = ({},), seed: int = 0) -> set[str]:
    return {Path(shard.url).name for shard in plan_shards(spec, clips, heard_in(views), seed, "anywhere")}


def test_the_name_is_of_what_went_in(spec: EncoderSpec, clips: list[Clip]) -> None:
    assert spec.fusion is not None
    assert spec.speech is not None
    base = names(spec, clips)
    wider = spec.model_copy(update={"fusion": spec.fusion.model_copy(update={"width": 16})})
    assert names(wider, clips) == base  # what comes after the frames does not matter
    assert names(spec, clips, seed=1) == base  # nor a seed where chance has no part
    pooled = spec.model_copy(update={"fusion": spec.fusion.model_copy(update={"frame_pool": 4})})
    layers = spec.model_copy(update={"speech": spec.speech.model_copy(update={"layers": (1,)})})
    faster, noisy = [{"speed": 1.1}], [{"noise": "white"}]
    others = [
        names(pooled, clips),
        names(layers, clips),
        names(spec, clips[1:]),
        names(spec, clips, faster),
        names(spec, clips, noisy),
        names(spec, clips, noisy, seed=1),
        names(spec, [replace(clips[0], offset_s=0.1), *clips[1:]]),
    ]
    assert len({frozenset(one) for one in [base, *others]}) == 8
    assert all(re.fullmatch(r"[0-9a-f]{32}\.safetensors", name) for name in base)


def test_synthetic_speech_is_heard_in_the_first_view(spec: EncoderSpec, clips: list[Clip]) -> None:
    made_up = [replace(clip, source="syn", synthetic=True) for clip in clips[:2]]
    shards = plan_shards(spec, [*clips[:2], *made_up], heard_in(VIEWS), 0, "anywhere")
    features = Features(shards, 4)
    assert [features.num_views(clip) for clip in range(4)] == [3, 3, 1, 1]


def test_another_source_before_them_renames_no_shard(spec: EncoderSpec, clips: list[Clip]) -> None:
    other = [replace(clip, source="other") for clip in clips]
    assert names(spec, clips) < names(spec, [*other, *clips])


def test_a_changed_recording_never_meets_an_old_shard(spec: EncoderSpec, tmp_path: Path) -> None:
    clips = make_clips(tmp_path / "clips", copies=1)
    plain, babble = names(spec, clips), names(spec, clips, [{"noise": "babble"}])
    wave = read_clip(clips[0])
    soundfile.write(clips[0].uri, wave[::-1], SAMPLE_RATE)  # as long as before, in bytes too
    assert names(spec, clips).isdisjoint(plain)
    assert names(spec, clips[1:], [{"noise": "babble"}]).isdisjoint(babble)


def test_a_recording_that_is_gone_is_named(spec: EncoderSpec, tmp_path: Path) -> None:
    clips = make_clips(tmp_path / "clips", copies=1)
    Path(clips[3].uri).unlink()
    with pytest.raises(InputError, match=re.escape(clips[3].uri)):
        plan_shards(spec, clips, heard_in([{}]), 0, str(tmp_path))


def test_what_is_still_to_be_spoken_is_planned(spec: EncoderSpec, clips: list[Clip]) -> None:
    made_up = [replace(clip, source="syn", synthetic=True, uri=f"{clip.uri}.not-yet") for clip in clips]
    (shard, *_) = plan_shards(spec, made_up, heard_in([{}]), 0, "anywhere")
    assert shard.expected[0] > 0
    assert names(spec, made_up).isdisjoint(names(spec, [replace(clip, source="syn", synthetic=True) for clip in clips]))


@pytest.mark.parametrize("damage", ["gone", "cut", "another's"])
def test_a_bad_shard_is_named(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path, damage: str
) -> None:
    features, (shard, *_) = made(spec, tower, clips, str(tmp_path), heard_in([{}]))
    place = Path(shard.url)
    if damage == "gone":
        place.unlink()
    elif damage == "cut":
        place.write_bytes(place.read_bytes()[:-100])
    else:
        save_file({"frames": torch.zeros(3, 64).half(), "lengths": torch.tensor([3])}, place)
    with pytest.raises(InputError, match=re.escape(shard.url)):
        features.frames(0)


@pytest.mark.s3
def test_a_remote_shard_is_fetched_once(
    spec: EncoderSpec,
    tower: SpeechTower,
    clips: list[Clip],
    s3_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    near, _ = made(spec, tower, clips, str(tmp_path / "near"), heard_in([{}]))
    url = store.join(s3_url, secrets.token_hex(4))
    far, shards = made(spec, tower, clips, url, heard_in([{}]))
    assert {entry.url for entry in store.listing(url)} == {shard.url for shard in shards}
    fetched: list[str] = []
    fetch = store.local_copy

    def counted(url: str, folder: Path) -> Path:
        fetched.append(url)
        return fetch(url, folder)

    monkeypatch.setattr(store, "local_copy", counted)
    for features in (far, Features(shards, len(clips))):  # another worker of this machine
        for clip in range(len(clips)):
            assert torch.equal(features.frames(clip), near.frames(clip))
    assert fetched == [shard.url for shard in shards]


@pytest.mark.s3
def test_recordings_may_lie_on_s3(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], s3_url: str, tmp_path: Path
) -> None:
    folder = store.join(s3_url, secrets.token_hex(4))
    far = [replace(clip, uri=store.join(folder, Path(clip.uri).name)) for clip in clips]
    for here, there in zip(clips, far, strict=True):
        store.write_bytes(there.uri, Path(here.uri).read_bytes())
    before = names(spec, far)
    found, _ = made(spec, tower, far, str(tmp_path / "far"), heard_in([{}]))
    near, _ = made(spec, tower, clips, str(tmp_path / "near"), heard_in([{}]))
    assert torch.equal(found.frames(2), near.frames(2))
    soundfile.write(tmp_path / "other.wav", tone(1, 99), SAMPLE_RATE)
    store.write_bytes(far[0].uri, (tmp_path / "other.wav").read_bytes())
    assert names(spec, far).isdisjoint(before)


def test_the_spread_is_of_the_given_clips(
    spec: EncoderSpec, tower: SpeechTower, clips: list[Clip], tmp_path: Path
) -> None:
    features, _ = made(spec, tower, clips, str(tmp_path))
    mean, deviation = features.spread(range(4), seed=0)
    frames = torch.cat([features.frames(i) for i in range(4)])
    torch.testing.assert_close(mean, frames.mean(0))
    torch.testing.assert_close(deviation, frames.std(0).clamp_min(1e-4))
    few = features.spread(range(4), seed=0, sample=1)
    assert any(torch.allclose(few[0], features.frames(i).mean(0)) for i in range(4))


def test_a_slow_view_of_a_long_clip_is_cut_where_the_tower_ends(
    spec: EncoderSpec, tower: SpeechTower, tmp_path: Path
) -> None:
    (clip, *_) = make_clips(tmp_path / "clips", copies=1)
    soundfile.write(clip.uri, np.tile(tone(2, 0), 60)[: 28 * SAMPLE_RATE], SAMPLE_RATE)
    long = replace(clip, duration_s=28.0)
    features, _ = made(spec, tower, [long], str(tmp_path), heard_in([{"speed": 0.8}]))
    assert len(features.wave(0)) == int(tower.longest_s * SAMPLE_RATE)
    assert abs(len(features.frames(0)) - features.length(0)) <= 1
