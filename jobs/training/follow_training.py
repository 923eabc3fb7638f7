"""What a training says becomes progress for the user, numbers for the log, and a picture of them."""

from collections.abc import Mapping

from jobs.command.progress import Progress
from jobs.training.postbox import Began, Told
from jobs.training.training_curves import PICTURE, training_curves
from train.events import EpochDone, Halved, StepDone, Stopped
from train.fit.metrics_log import MetricsLog, read_metrics
from train.spec import TrainSpec
from train.strategy import SCORE

EPOCH_SECONDS = "speed/epoch_s"


class Following:
    """Takes what is told, in order."""

    def __init__(self, spec: TrainSpec, progress: Progress, log: MetricsLog) -> None:
        self._spec, self._progress, self._log = spec, progress, log
        self.stopped = ""  # why the training is over
        self.starts = 0

    def take(self, told: Told) -> None:
        if isinstance(told, Began):
            self._begin(told)
        elif isinstance(told, StepDone):
            self._progress.advance(1)
            self._log.note(told.step, told.epoch, step_numbers(told))
        elif isinstance(told, EpochDone):
            self._log.note(told.step, told.epoch, epoch_numbers(told))
            self._progress.note(epoch_words(told, self._spec.optimiser.epochs))
            if told.scores:
                training_curves(read_metrics(self._log.path), self._log.path.with_name(PICTURE))
        elif isinstance(told, Halved):
            self._progress.note(f"out of memory: {told.micro_batch} rows at a time from step {told.step} on")
        elif isinstance(told, Stopped):
            self.stopped = told.reason
            self._progress.end()
            if told.early:
                self._progress.note(f"stopped after epoch {told.epoch + 1}: {told.reason}")

    def _begin(self, told: Began) -> None:
        self.starts += 1
        self._log.go_on_from(told.step)
        many = f"{told.workers} worker{'s' * (told.workers > 1)}"
        if self.starts > 1:
            self._progress.end()
            self._progress.note(f"workers were lost: going on from step {told.step} with {many}")
        whence = f", from step {told.step} on" if told.step else ""
        self._progress.begin(f"training with {many}{whence}", told.of - told.step, "steps")


def step_numbers(told: StepDone) -> dict[str, float]:
    """By tag; what of the losses is none stands by its own name."""
    parts = {name: value for name, value in told.losses.items() if name not in ("loss", "temperature")}
    temperature = {"temperature": told.losses["temperature"]} if "temperature" in told.losses else {}
    return {
        "loss/total": told.losses["loss"],
        **{f"loss/{name}": value for name, value in parts.items()},
        **temperature,
        "rate/learning": told.learning_rate,
        "gradient/norm": told.gradient_norm,
        "speed/examples_per_s": told.rows / max(told.seconds, 1e-9),
    }


def epoch_numbers(told: EpochDone) -> dict[str, float]:
    """Scores on dev, where it was scored, and what the epoch took."""
    return {**{f"dev/{name}": value for name, value in told.scores.items()}, EPOCH_SECONDS: told.seconds}


def epoch_words(told: EpochDone, epochs: int) -> str:
    """`epoch 3 of 20: loss 1.234; dev 0.412, the best so far (speech_to_text@32 0.400 ...)`"""
    said = (
        f"epoch {told.epoch + 1} of {epochs}: loss {told.losses['loss']:.3f}"
        if told.losses
        else (f"epoch {told.epoch + 1} of {epochs}")
    )
    if not told.scores:
        return said
    best = ", the best so far" if told.best else ""
    return f"{said}; dev {told.scores[SCORE]:.3f}{best} ({measures_words(told.scores)})"


def measures_words(scores: Mapping[str, float]) -> str:
    """`speech_to_text 0.41@384 0.40@256 ..., text_to_speech ...`: one curve a measure."""
    curves: dict[str, list[str]] = {}
    for name, value in scores.items():
        measure, at, dim = name.partition("@")
        if at:
            curves.setdefault(measure, []).append(f"{value:.3f}@{dim}")
    return "; ".join(f"{measure} {' '.join(points)}" for measure, points in curves.items())
