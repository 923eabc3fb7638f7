"""What a training says, as progress and as numbers."""

from pathlib import Path

import pytest

from embed.storage.mirror import mirrored
from jobs.command.progress import Silent
from jobs.training.event_channel import CheckpointSaved, WorkerEvent, WorkersStart
from jobs.training.follow_training import EPOCH_SECONDS, TrainingFollower, epoch_text, measures_text, step_numbers
from jobs.training.train_model import _is_continued
from jobs.training.training_curves import PICTURE
from tests.towers import Tiny
from tests.train.fit.test_metrics_log import scalars
from tests.train.lesson import lesson_spec
from train.events import EpochDone, SmallerMicroBatch, StepDone, TrainingEnd
from train.fit.metrics_log import CSV, TENSORBOARD, MetricsLog, read_metrics

LOSSES = {"loss": 2.5, "contrast": 2.0, "distillation": 0.1, "temperature": 0.05}
SCORES = {"score": 0.45, "speech_to_text@32": 0.5, "speech_to_text@8": 0.4, "text_to_speech@32": 0.4}


class Told(Silent):
    """Remembers what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, task: str, total: float, unit: str = "units") -> None:
        self.lines.append(f"{task}: {total:g} {unit}")

    def note(self, text: str) -> None:
        self.lines.append(text)


def step(number: int) -> StepDone:
    return StepDone(number, 0, 6, 8, LOSSES, 0.1, 1.5, 0.5)


@pytest.mark.slow
def test_a_restart_is_told_and_its_steps_are_noted_once(tiny: Tiny, tmp_path: Path) -> None:
    progress = Told()
    with MetricsLog(tmp_path) as log:
        follower = TrainingFollower(lesson_spec(tiny), progress, log)
        first, again = WorkersStart(0, 6, 2, 0), WorkersStart(2, 6, 1, 0)
        for event in (first, step(1), step(2), step(3), again, step(3), SmallerMicroBatch(3, 4)):
            follower.take(event)
        follower.take(EpochDone(0, 3, LOSSES, SCORES, True, 1.5))
        follower.take(TrainingEnd(3, 0, "no better score on dev in 2 scorings", early=True))
    assert progress.lines == [
        "training with 2 workers: 6 steps",
        "workers were lost: continuing from step 2 with 1 worker",
        "training with 1 worker, from step 2 on: 4 steps",
        "out of memory: 4 rows at a time from step 3 on",
        "epoch 1 of 16: loss 2.500; dev 0.450, the best so far"
        " (speech_to_text 0.500@32 0.400@8; text_to_speech 0.400@32)",
        "stopped after epoch 1: no better score on dev in 2 scorings",
    ]
    rows = read_metrics(tmp_path / CSV)
    assert [number for number, _, name, _ in rows if name == "loss/total"] == [1, 2, 3]
    assert (3, 0, "dev/score", 0.45) in rows
    assert (3, 0, EPOCH_SECONDS, 1.5) in rows
    assert follower.stopped.startswith("no better score")
    assert (tmp_path / PICTURE).read_bytes().startswith(b"\x89PNG")


def test_a_training_that_resumes_on_another_machine_keeps_the_numbers_before(tiny: Tiny, storage_url: str) -> None:
    """Its driver is lost after step 3; the checkpoint was at step 2."""
    events: list[tuple[WorkerEvent, ...]] = [
        (WorkersStart(0, 6, 1, 0), step(1), CheckpointSaved(2), step(2), step(3)),
        (WorkersStart(2, 6, 1, 0), step(3), CheckpointSaved(4), step(4)),
    ]
    for some in events:
        with mirrored(storage_url) as output:
            output.fetch(_is_continued)
            with MetricsLog(output.folder) as numbers:
                follower = TrainingFollower(lesson_spec(tiny), Told(), numbers, output.push)
                for event in some:
                    follower.take(event)
    with mirrored(storage_url) as output:
        output.fetch(_is_continued)
        steps = [number for number, _, name, _ in read_metrics(output.folder / CSV) if name == "loss/total"]
        assert steps == [1, 2, 3, 4]
        assert [number for number, name, _ in scalars(output.folder / TENSORBOARD) if name == "loss/total"] == steps


def test_numbers_of_a_step_stand_by_their_tags() -> None:
    assert step_numbers(step(1)) == {
        "loss/total": 2.5,
        "loss/contrast": 2.0,
        "loss/distillation": 0.1,
        "temperature": 0.05,
        "rate/learning": 0.1,
        "gradient/norm": 1.5,
        "speed/examples_per_s": 16.0,
    }


def test_an_epoch_without_scores_or_steps_is_told_as_it_is() -> None:
    assert epoch_text(EpochDone(1, 3, {"loss": 1.0}, {}, False, 1.0), 4) == "epoch 2 of 4: loss 1.000"
    assert epoch_text(EpochDone(1, 3, {}, {}, False, 1.0), 4) == "epoch 2 of 4"
    assert measures_text({"score": 1.0, "a@2": 0.5}) == "a 0.500@2"
