"""What a training tells of itself as it goes.  Nothing heavy is imported here: who listens needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class StepDone:
    """What a step did."""

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
    """What an epoch did."""

    epoch: int  # from 0
    step: int  # steps done so far
    losses: Mapping[str, float]  # means over this worker's steps of the epoch, since it last started
    scores: Mapping[str, float]  # on dev; {} where it was not the turn
    best: bool  # whether the scores are the best so far
    seconds: float  # of the steps and the scoring


@dataclass(frozen=True)
class Halved:
    """Memory ran out: so many pairs at a time from now on."""

    step: int
    micro_batch: int


@dataclass(frozen=True)
class Stopped:
    """The training is over."""

    step: int
    epoch: int
    reason: str  # for the user
    early: bool  # before the last epoch


Event = StepDone | EpochDone | Halved | Stopped
