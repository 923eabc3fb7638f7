"""Events of a running training.  Nothing heavy is imported here: a program that follows a training needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class StepDone:
    """A step with its numbers."""

    step: int  # steps done so far, over all epochs
    epoch: int
    of: int  # steps in the whole training
    rows: int  # members in the batch, over all workers
    losses: Mapping[str, float]  # this worker's share, "loss" among them
    learning_rate: float
    gradient_norm: float  # before clipping, of all workers' mean
    seconds: float


@dataclass(frozen=True)
class EpochDone:
    """An epoch with its numbers."""

    epoch: int  # from 0
    step: int  # steps done so far
    losses: Mapping[str, float]  # means over this worker's steps of the epoch, since it last started
    scores: Mapping[str, float]  # on dev; {} where the epoch was not scored
    best: bool  # whether the scores are the best so far
    seconds: float  # of the steps and the scoring


@dataclass(frozen=True)
class SmallerMicroBatch:
    """Memory ran out: from now on `micro_batch` pairs at a time."""

    step: int
    micro_batch: int


@dataclass(frozen=True)
class TrainingEnd:
    """The training is over."""

    step: int
    epoch: int
    reason: str  # for the user
    early: bool  # before the last epoch


Event = StepDone | EpochDone | SmallerMicroBatch | TrainingEnd
