"""Follower of a training: turns its events into progress for the user, numbers for the log, and a plot of them.

After each checkpoint these files are copied to the output, where it is remote: a training that resumes on another
machine continues them.
"""

import logging
from collections.abc import Callable, Mapping

from embed.errors import DegluError
from embed.quantities import many
from jobs.command.progress import Progress
from jobs.training.event_channel import CheckpointSaved, WorkerEvent, WorkersStart
from jobs.training.training_curves import PICTURE, training_curves
from train.events import EpochDone, SmallerMicroBatch, StepDone, TrainingEnd
from train.fit.metrics_log import MetricsLog, read_metrics
from train.spec import TrainSpec
from train.strategy import SCORE

EPOCH_SECONDS = "speed/epoch_s"

log = logging.getLogger(__name__)


class TrainingFollower:
    """Takes the events, in order; `push` copies the written files to the output."""

    def __init__(
        self, spec: TrainSpec, progress: Progress, numbers: MetricsLog, push: Callable[[], None] = lambda: None
    ) -> None:
        self._spec, self._progress, self._log, self._push = spec, progress, numbers, push
        self.stopped = ""  # the reason why the training ended
        self.starts = 0
        self._is_saved = False  # a checkpoint whose step is not reported yet: workers report it after they have saved

    def take(self, event: WorkerEvent) -> None:
        if isinstance(event, WorkersStart):
            self._begin(event)
        elif isinstance(event, StepDone):
            self._progress.advance(1)
            self._log.note(event.step, event.epoch, step_numbers(event))
            self._copy()
        elif isinstance(event, EpochDone):
            self._log.note(event.step, event.epoch, epoch_numbers(event))
            self._progress.note(epoch_text(event, self._spec.optimiser.epochs))
            if event.scores:
                training_curves(read_metrics(self._log.path), self._log.path.with_name(PICTURE))
            self._copy()
        elif isinstance(event, CheckpointSaved):
            self._is_saved = True
        elif isinstance(event, SmallerMicroBatch):
            self._progress.note(f"out of memory: {event.micro_batch} rows at a time from step {event.step} on")
        elif isinstance(event, TrainingEnd):
            self.stopped = event.reason
            self._progress.end()
            if event.early:
                self._progress.note(f"stopped after epoch {event.epoch + 1}: {event.reason}")

    def _copy(self) -> None:
        if not self._is_saved:
            return
        self._is_saved = False
        self._log.flush()
        try:
            self._push()
        except DegluError as error:
            log.warning("%s; the numbers of the training are copied again with the next checkpoint", error)

    def _begin(self, event: WorkersStart) -> None:
        self.starts += 1
        self._log.resume_from(event.step)
        workers = many(event.workers, "worker")
        if self.starts > 1:
            self._progress.end()
            self._progress.note(f"workers were lost: continuing from step {event.step} with {workers}")
        origin = f", from step {event.step} on" if event.step else ""
        self._progress.begin(f"training with {workers}{origin}", event.of - event.step, "steps")


def step_numbers(event: StepDone) -> dict[str, float]:
    """Numbers of a step by tag; the temperature, which is no loss, has its own tag."""
    parts = {name: value for name, value in event.losses.items() if name not in ("loss", "temperature")}
    temperature = {"temperature": event.losses["temperature"]} if "temperature" in event.losses else {}
    return {
        "loss/total": event.losses["loss"],
        **{f"loss/{name}": value for name, value in parts.items()},
        **temperature,
        "rate/learning": event.learning_rate,
        "gradient/norm": event.gradient_norm,
        "speed/examples_per_s": event.rows / max(event.seconds, 1e-9),
    }


def epoch_numbers(event: EpochDone) -> dict[str, float]:
    """Scores on dev, where it was scored, and the seconds of the epoch."""
    return {**{f"dev/{name}": value for name, value in event.scores.items()}, EPOCH_SECONDS: event.seconds}


def epoch_text(event: EpochDone, epochs: int) -> str:
    """`epoch 3 of 20: loss 1.234; dev 0.412, the best so far (speech_to_text@32 0.400 ...)`"""
    text = (
        f"epoch {event.epoch + 1} of {epochs}: loss {event.losses['loss']:.3f}"
        if event.losses
        else (f"epoch {event.epoch + 1} of {epochs}")
    )
    if not event.scores:
        return text
    best = ", the best so far" if event.best else ""
    return f"{text}; dev {event.scores[SCORE]:.3f}{best} ({measures_text(event.scores)})"


def measures_text(scores: Mapping[str, float]) -> str:
    """`speech_to_text 0.41@384 0.40@256 ..., text_to_speech ...`: one curve a measure."""
    curves: dict[str, list[str]] = {}
    for name, value in scores.items():
        measure, at, dim = name.partition("@")
        if at:
            curves.setdefault(measure, []).append(f"{value:.3f}@{dim}")
    return "; ".join(f"{measure} {' '.join(points)}" for measure, points in curves.items())
