"""The loop learns, repeats itself, goes on where it was stopped, and stops at nonsense."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from embed.errors import DegluError, SpecError
from tests.train.memory_lesson import MemoryFeatures, MemoryLesson
from train.events import EpochDone, Event, StepDone, TrainingEnd
from train.fit.checkpoint import Checkpoints, State
from train.fit.loop import run, warm_cosine
from train.fit.parallel import Workers
from train.spec import TrainSpec
from train.strategy import Strategy

PER_EPOCH = 8  # 64 clips in batches of 8


def events(strategy: Strategy, spec: TrainSpec, **more: Any) -> list[Event]:
    """In float32, which is the faster of the two for towers as tiny as these."""
    return list(run(strategy, spec, precision="float32", **more))


def short(lesson: MemoryLesson, **changed: dict[str, Any]) -> TrainSpec:
    """Two epochs, with everything on that a resumed training must remember."""
    own: dict[str, dict[str, Any]] = {
        "optimiser": {"epochs": 2, "average": 0.9},
        "masks": {"time": 0.3, "channels": 0.2, "dropout": 0.2},
        "loss": {"learn_temperature": True},
    }
    return lesson.with_(**{name: {**own.get(name, {}), **changed.get(name, {})} for name in {**own, **changed}})


@pytest.mark.slow
def test_the_loss_falls_and_held_out_speech_finds_its_texts(lesson: MemoryLesson) -> None:
    spec = lesson.with_(optimiser={"epochs": 12})
    strategy = lesson.strategy(spec)
    before = strategy.scores()
    found = events(strategy, spec)
    epochs = [event for event in found if isinstance(event, EpochDone)]
    assert [epoch.epoch for epoch in epochs] == list(range(12))
    assert [epoch.step for epoch in epochs] == [PER_EPOCH * (i + 1) for i in range(12)]
    assert epochs[-1].losses["loss"] < epochs[0].losses["loss"] / 2
    # Of eight sentences one is right by chance; pitches next to each other may still be mistaken.
    assert before["score"] <= 0.5
    assert epochs[-1].scores["score"] > 0.8
    assert [epoch.best for epoch in epochs].count(True) == len({max(_scores(epochs[: i + 1])) for i in range(12)})
    assert found[-1] == TrainingEnd(96, 11, "the last epoch is done", early=False)


@pytest.mark.slow
def test_every_step_is_told(lesson: MemoryLesson) -> None:
    spec = lesson.with_(optimiser={"epochs": 1})
    steps = [event for event in events(lesson.strategy(spec), spec) if isinstance(event, StepDone)]
    assert [step.step for step in steps] == list(range(1, PER_EPOCH + 1))
    assert {(step.epoch, step.of, step.rows) for step in steps} == {(0, PER_EPOCH, 8)}
    rates = [spec.optimiser.learning_rate * warm_cosine(5, PER_EPOCH)(i) for i in range(PER_EPOCH)]
    assert [step.learning_rate for step in steps] == pytest.approx(rates)
    assert all(step.gradient_norm > 0 and step.seconds > 0 for step in steps)
    # Each text's own speech is looked for where speech is what is searched: in every other batch.
    assert [("reverse" in step.losses) for step in steps] == [False, True] * 4


@pytest.mark.slow
def test_only_the_fusion_is_trained(lesson: MemoryLesson) -> None:
    spec = lesson.with_(optimiser={"epochs": 1})
    strategy = lesson.strategy(spec)
    before = {name: value.clone() for name, value in strategy.model.state_dict().items()}
    events(strategy, spec)
    changed = {name for name, value in strategy.model.state_dict().items() if not torch.equal(value, before[name])}
    assert strategy.model.fusion is not None
    assert changed == {f"fusion.{name}" for name, _ in strategy.model.fusion.named_parameters()}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(lesson: MemoryLesson) -> None:
    spec = short(lesson)
    first, second, other = (weights_of(lesson, one) for one in (spec, spec, spec.model_copy(update={"seed": 1})))
    assert same(first, second)
    assert not same(first, other)


@pytest.mark.slow
@pytest.mark.parametrize("stopped_after", [3, PER_EPOCH, 11], ids=["in an epoch", "at its end", "in the last"])
def test_a_training_goes_on_as_if_it_had_never_stopped(
    lesson: MemoryLesson, tmp_path: Path, stopped_after: int
) -> None:
    spec = short(lesson, checkpoints={"every_steps": 1})
    whole: list[State] = []
    told = events(lesson.strategy(spec), spec, save=whole.append)
    # Killed in the step behind a checkpoint: of the same process nothing is left.
    checkpoints, killed = Checkpoints(str(tmp_path), spec.defining()), lesson.strategy(spec)
    for event in run(killed, spec, precision="float32", save=checkpoints.save):
        if isinstance(event, StepDone) and event.step == stopped_after:
            break
    rest: list[State] = []
    start = Checkpoints(str(tmp_path), spec.defining()).newest()
    assert start is not None
    assert start.step == stopped_after
    torch.manual_seed(99)
    again = events(lesson.strategy(spec), spec, start=start, save=rest.append)
    assert same(rest[-1].final_weights(), whole[-1].final_weights())
    assert same(rest[-1].optimiser, whole[-1].optimiser)
    assert rest[-1].scores == whole[-1].scores
    assert rest[-1].finished
    assert _steps(again) == _steps(told)[stopped_after:]
    # What was scored unfinished is scored again.
    scored = [event for event in told if isinstance(event, EpochDone)]
    assert [event.scores for event in again if isinstance(event, EpochDone)] == [one.scores for one in scored][
        stopped_after // (PER_EPOCH + 1) :
    ]


@pytest.mark.slow
def test_a_finished_training_is_not_begun_again(lesson: MemoryLesson) -> None:
    spec = short(lesson, optimiser={"epochs": 1})
    saved: list[State] = []
    events(lesson.strategy(spec), spec, save=saved.append)
    assert [(state.finished, state.position) for state in saved] == [(True, PER_EPOCH)]
    strategy = lesson.strategy(spec)
    assert events(strategy, spec, start=saved[-1]) == [
        TrainingEnd(PER_EPOCH, 0, "this training is already finished", early=False)
    ]


@pytest.mark.slow
def test_the_running_mean_is_what_is_scored(lesson: MemoryLesson) -> None:
    spec = short(lesson, optimiser={"epochs": 1})
    saved: list[State] = []
    events(lesson.strategy(spec), spec, save=saved.append)
    fresh = lesson.strategy(spec)
    fresh.load(saved[-1].final_weights())
    assert fresh.scores() == pytest.approx(saved[-1].scores)
    assert not same(saved[-1].final_weights(), saved[-1].weights)


@pytest.mark.slow
def test_dev_is_scored_when_it_is_its_turn_and_at_the_end(lesson: MemoryLesson) -> None:
    spec = lesson.with_(optimiser={"epochs": 3}, validation={"every_epochs": 2})
    epochs = [event for event in events(lesson.strategy(spec), spec) if isinstance(event, EpochDone)]
    assert [bool(epoch.scores) for epoch in epochs] == [False, True, True]
    assert epochs[0].best is False


@pytest.mark.slow
def test_it_stops_early_where_dev_gets_no_better(lesson: MemoryLesson) -> None:
    spec = lesson.with_(optimiser={"epochs": 9}, validation={"patience": 2})
    saved: list[State] = []
    strategy = lesson.strategy(spec, metric=lambda scores, right: np.full(len(scores), 0.25))
    found = events(strategy, spec, save=saved.append)
    assert found[-1] == TrainingEnd(3 * PER_EPOCH, 2, "no better score on dev in 2 scorings", early=True)
    assert [(state.best, state.stale, state.finished) for state in saved] == [
        (0.25, 0, False),
        (0.25, 1, False),
        (0.25, 2, True),
    ]


class Spoilt(MemoryFeatures):
    """One clip's frames are damaged."""

    clip = -1

    def frames(self, clip: int, view: int = 0) -> Tensor:
        return super().frames(clip, view) * (float("nan") if clip == self.clip else 1.0)

    def spread(self, clips: Any, seed: int) -> tuple[Tensor, Tensor]:
        return super().spread([clip for clip in clips if clip != self.clip], seed)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_training_by_step_and_clip(lesson: MemoryLesson) -> None:
    spec, features = lesson.with_(optimiser={"epochs": 1}), Spoilt(lesson.features.rows, lesson.features.waves)
    features.clip = lesson.strategy(spec).batches(0)[3][5]
    strategy = lesson.strategy(spec, features)
    with pytest.raises(
        DegluError, match=rf"the loss is nan.* at step 3 of epoch 0, from clip {features.clip}; check these"
    ):
        events(strategy, spec)


@pytest.mark.slow
def test_bfloat16_learns_what_float32_does(lesson: MemoryLesson) -> None:
    spec = lesson.with_(optimiser={"epochs": 1})
    exact = _steps(events(lesson.strategy(spec), spec))
    halved = _steps(list(run(lesson.strategy(spec), spec, precision="bfloat16")))
    assert halved == pytest.approx(exact, rel=0.02)
    assert halved != exact


def test_more_workers_than_rows_are_refused(lesson: MemoryLesson) -> None:
    with pytest.raises(SpecError, match=r"field 'optimiser.batch' = 8: fewer than one row for each of 9 workers"):
        events(lesson.strategy(), lesson.spec, workers=Workers(0, 9))


def test_the_rate_warms_up_and_falls_along_a_cosine() -> None:
    factor = warm_cosine(4, 12)
    assert [factor(step) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factor(8) == pytest.approx(0.5)
    assert factor(12) == factor(99) == pytest.approx(0, abs=1e-12)


def weights_of(lesson: MemoryLesson, spec: TrainSpec) -> Mapping[str, Tensor]:
    strategy = lesson.strategy(spec)
    events(strategy, spec)
    return strategy.state()


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def _steps(found: list[Event]) -> list[float]:
    return [event.losses["loss"] for event in found if isinstance(event, StepDone)]


def _scores(epochs: list[EpochDone]) -> list[float]:
    return [epoch.scores["score"] for epoch in epochs]
