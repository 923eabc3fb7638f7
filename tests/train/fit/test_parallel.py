"""Two real processes with half a batch each learn what one learns with all of it."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.train.memory_lesson import MemoryFeatures, MemoryLesson
from tests.train.workers import run_workers
from train.events import StepDone
from train.fit.checkpoint import State
from train.fit.loop import run
from train.fit.parallel import ONE_WORKER, Workers, group_workers

STEPS = 5
# batch, micro-batch, what is learnt from: all of it even; rows that do not divide, in parts; the batch's own negatives
CASES: list[tuple[int, int, dict[str, Any]]] = [
    (8, 0, {"learn_temperature": True}),
    (7, 2, {"learn_temperature": True}),
    (8, 3, {"candidates": "batch", "margin": 0.1}),
]


def learn(lesson: MemoryLesson, batch: int, micro: int, loss: dict[str, Any], workers: Workers) -> dict[str, Any]:
    """The weights after five steps, and what the steps said."""
    spec = lesson.with_(
        optimiser={"batch": batch, "micro_batch": micro, "learning_rate": 1e-3},
        masks={"time": 0.3, "dropout": 0.2},
        loss=loss,
        checkpoints={"every_steps": STEPS},
    )
    strategy, saved, losses, norms = lesson.strategy(spec), list[State](), list[float](), list[float]()
    for event in run(strategy, spec, workers=workers, precision="float32", save=saved.append):
        if isinstance(event, StepDone):
            losses.append(event.losses["loss"])
            norms.append(event.gradient_norm)
        if len(losses) == STEPS:
            break
    return {"weights": strategy.state(), "losses": losses, "norms": norms, "saved": len(saved)}


def in_a_process(lesson: MemoryLesson) -> tuple[list[dict[str, Any]], dict[str, float], str]:
    """In one of several processes: all cases, the scores as it has them, and how a damaged clip ends the training."""
    cases = [learn(lesson, *case, group_workers()) for case in CASES]
    return (cases, *scored_and_spoilt(lesson))


Processes = list[tuple[list[dict[str, Any]], dict[str, float], str]]


@pytest.fixture(scope="module")
def two(lesson: MemoryLesson, tmp_path_factory: pytest.TempPathFactory) -> Processes:
    return run_workers(in_a_process, 2, tmp_path_factory.mktemp("two"), lesson)


@pytest.mark.slow
def test_two_workers_learn_what_one_does(lesson: MemoryLesson, two: Processes) -> None:
    alone = [learn(lesson, *case, ONE_WORKER) for case in CASES]
    for one, half, other in zip(alone, two[0][0], two[1][0], strict=True):
        assert near(half["weights"], one["weights"]) < 1e-4
        assert near(other["weights"], half["weights"]) == 0
        assert half["norms"] == pytest.approx(one["norms"], rel=1e-4)
        # A worker's share of the loss is such that the mean of the shares is the loss of the batch.
        means = [(a + b) / 2 for a, b in zip(half["losses"], other["losses"], strict=True)]
        assert means == pytest.approx(one["losses"], rel=1e-4)
        assert (half["saved"], other["saved"]) == (1, 0)


def scored_and_spoilt(lesson: MemoryLesson) -> tuple[dict[str, float], str]:
    """The last scores as this worker has them, and how a damaged clip ends the training."""
    workers = group_workers()
    spec = lesson.with_(optimiser={"epochs": 1})
    scores: dict[str, float] = {}
    strategy = lesson.strategy(spec)
    for event in run(strategy, spec, workers=workers, precision="float32"):
        scores = getattr(event, "scores", scores)
    damaged = Damaged(lesson.features.rows, lesson.features.waves)
    damaged.clip = strategy.batches(0)[1][2]
    try:
        list(run(lesson.strategy(spec, damaged), spec, workers=workers, precision="float32"))
    except Exception as error:
        return scores, str(error)
    return scores, ""


class Damaged(MemoryFeatures):
    """One clip's frames are infinite."""

    clip = -1

    def frames(self, clip: int, view: int = 0) -> Tensor:
        return super().frames(clip, view) + (float("inf") if clip == self.clip else 0.0)


@pytest.mark.slow
def test_all_workers_take_one_score_and_stop_at_one_clip(lesson: MemoryLesson, two: Processes) -> None:
    (_, zeroth, why), (_, first, too) = two
    assert zeroth == first
    assert "score" in zeroth
    spec = lesson.with_(optimiser={"epochs": 1})
    clip = lesson.strategy(spec).batches(0)[1][2]
    for said in (why, too):
        assert f"at step 1 of epoch 0, from clip {clip}; check these examples" in said


def near(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest distance of a weight, by the size of its tensor's largest."""
    return max(float((one[name] - other[name]).abs().max() / other[name].abs().max().clamp_min(1e-3)) for name in other)


@pytest.mark.slow
def test_one_worker_is_alone() -> None:
    gather = ONE_WORKER.gather([3])
    rows = torch.ones(3, 2)
    assert gather(rows) is rows
    assert ONE_WORKER.agree("said") == "said"
