"""The loop learns, repeats itself, deals out its batches, and stops at nonsense."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from embed.errors import DegluError
from embed.model.joint import JointEncoder
from tests.towers import Tiny
from tests.train.lesson import all_features, all_targets, fresh_model, lesson_spec, make_clips, spoken_vectors
from train.features import Features, Shard
from train.loop import batches, run, warm_cosine
from train.spec import TrainSpec
from train.targets import Targets

TRAIN, DEV = range(64), range(64, 80)


class Lesson(NamedTuple):
    spec: TrainSpec
    features: Features
    shards: list[Shard]
    targets: Targets

    def model(self) -> JointEncoder:
        return fresh_model(self.spec, self.features, TRAIN)


@pytest.fixture(scope="module")
def lesson(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    folder = tmp_path_factory.mktemp("lesson")
    clips = make_clips(folder / "clips", copies=10)
    spec = lesson_spec(tiny)
    features, shards = all_features(spec, clips, folder / "features")
    targets = all_targets(fresh_model(spec, features, TRAIN), clips)
    return Lesson(spec, features, shards, targets)


def right_share(model: JointEncoder, lesson: Lesson, lang: str) -> float:
    """Share of dev clips whose own text is the nearest of its language."""
    spoken = spoken_vectors(model, lesson.features, DEV, "query")
    texts = [i for i, found in enumerate(lesson.targets.langs) if found == lang]
    nearest = (spoken @ lesson.targets.vectors["document"][texts].T).argmax(1)
    found = [texts[int(i)] for i in nearest]
    return sum(lesson.targets.own[clip][lang] == text for clip, text in zip(DEV, found, strict=True)) / len(DEV)


def test_the_loss_falls_and_held_out_speech_finds_its_texts(lesson: Lesson) -> None:
    model = lesson.model()
    before = right_share(model, lesson, "en")
    epochs = list(run(model, lesson.features, lesson.targets, TRAIN, lesson.spec))
    assert [epoch.number for epoch in epochs] == list(range(lesson.spec.epochs))
    assert [epoch.steps for epoch in epochs] == [8 * (i + 1) for i in range(lesson.spec.epochs)]
    assert epochs[-1].loss < epochs[0].loss / 2
    assert epochs[-1].learning_rate == pytest.approx(0, abs=1e-9)
    assert before <= 0.5
    # Of eight sentences one is right by chance; pitches next to each other may still be mistaken.
    assert right_share(model, lesson, "en") > 0.8
    assert right_share(model, lesson, "fr") > 0.8


def test_only_the_fusion_is_trained(lesson: Lesson) -> None:
    model = lesson.model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    list(run(model, lesson.features, lesson.targets, TRAIN, short(lesson)))
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    trained = {f"fusion.{name}" for name, _ in model.fusion.named_parameters()} if model.fusion else set()
    assert changed == trained


def test_the_same_seed_gives_the_same_weights(lesson: Lesson) -> None:
    spec = short(lesson, time_mask=0.4)
    first, second, third = (trained_weights(lesson, each) for each in (spec, spec, spec.model_copy(update={"seed": 1})))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], third[name]) for name in first)


def test_batches_are_of_seed_and_epoch_and_hold_every_clip_once_at_most(lesson: Lesson) -> None:
    spec = lesson.spec.model_copy(update={"batch": 6})
    found = batches(lesson.features, TRAIN, spec, 0)
    assert found == batches(lesson.features, TRAIN, spec, 0)
    assert found != batches(lesson.features, TRAIN, spec, 1)
    assert found != batches(lesson.features, TRAIN, spec.model_copy(update={"seed": 1}), 0)
    assert [len(batch) for batch in found] == [6] * 10
    dealt = [clip for batch in found for clip in batch]
    assert len(set(dealt)) == len(dealt)
    assert set(dealt) <= set(TRAIN)
    # Sorted by length inside a batch's window: little padding.
    assert all(sorted(batch, key=lesson.features.length) == batch for batch in found)


def test_too_few_clips_for_a_batch_are_refused(lesson: Lesson) -> None:
    with pytest.raises(DegluError, match="7 training clips do not fill one batch of 8; lower `batch`"):
        batches(lesson.features, range(7), lesson.spec, 0)


class Overheard(Features):
    """Notes which clips were asked for."""

    def __init__(self, shards: Sequence[Shard], num_clips: int) -> None:
        super().__init__(shards, num_clips)
        self.asked: list[int] = []

    def frames(self, clip: int, speed: int = 0) -> Tensor:
        self.asked.append(clip)
        return super().frames(clip, speed)


@pytest.mark.parametrize("batch", [8, 7])
def test_two_ranks_share_every_batch_without_overlap(lesson: Lesson, batch: int) -> None:
    spec = short(lesson, batch=batch)
    heard = []
    for rank in range(2):
        features = Overheard(lesson.shards, 80)
        list(run(lesson.model(), features, lesson.targets, TRAIN, spec, rank=rank, world=2))
        heard.append(features.asked)
    for members in batches(lesson.features, TRAIN, spec, 0):
        zero, one = (heard[rank][: len(members[rank::2])] for rank in range(2))
        heard = [heard[0][len(zero) :], heard[1][len(one) :]]
        assert sorted(zero + one) == sorted(members)
        assert not set(zero) & set(one)
    assert heard == [[], []]


class Spoilt(Features):
    """One clip's frames are damaged."""

    clip = -1

    def frames(self, clip: int, speed: int = 0) -> Tensor:
        return super().frames(clip, speed) * (float("nan") if clip == self.clip else 1.0)


def test_a_loss_that_is_not_finite_stops_the_training_by_its_step(lesson: Lesson) -> None:
    spec, features = short(lesson), Spoilt(lesson.shards, 80)
    features.clip = batches(features, TRAIN, spec, 0)[3][0]
    with pytest.raises(DegluError, match="the loss is nan at step 3 of epoch 0"):
        list(run(lesson.model(), features, lesson.targets, TRAIN, spec))


def test_text_alone_is_refused(lesson: Lesson) -> None:
    model = lesson.model()
    model.fusion = None
    with pytest.raises(DegluError, match="needs a speech tower and a fusion"):
        next(run(model, lesson.features, lesson.targets, TRAIN, lesson.spec))


def test_the_rate_warms_up_and_falls_along_a_cosine() -> None:
    factor = warm_cosine(4, 12)
    assert [factor(step) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factor(8) == pytest.approx(0.5)
    assert factor(12) == factor(99) == pytest.approx(0, abs=1e-12)


def short(lesson: Lesson, **changed: Any) -> TrainSpec:
    return lesson.spec.model_copy(update={"epochs": 1, **changed})


def trained_weights(lesson: Lesson, spec: TrainSpec) -> dict[str, Tensor]:
    model = lesson.model()
    list(run(model, lesson.features, lesson.targets, TRAIN, spec))
    assert model.fusion is not None
    return model.fusion.state_dict()
