"""Contract between a strategy and the training loop.

A strategy knows its model, its data and its loss; the loop knows steps, workers, memory and time.  Whatever a strategy
draws at random it draws from `chance(seed, epoch, member)`, never from a worker's number or from what was drawn
before: a result depends neither on how many workers there are nor on interruptions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from embed.encoder import Role
from train.losses import Gather

ROLES: tuple[Role, Role] = ("query", "document")
SCORE = "score"  # among a strategy's scores: the one that decides which weights are best; higher is better

# nDCG@10 of each query: scores [q, n], and the right columns of each query.  Handed in: the scale is no part of train.
Metric = Callable[[Any, Any], NDArray[np.float64]]


@dataclass(frozen=True)
class At:
    """The place of a batch in the training."""

    step: int  # from 0, over all epochs
    epoch: int  # from 0
    position: int  # of the batch in its epoch

    @property
    def role(self) -> Role:
        """Whole batches take one role, in turn: a spoken question now, an archived recording next."""
        return ROLES[self.step % 2]


class Strategy(Protocol):
    """How a kind of model learns from its data.  Members are places in the training data."""

    @property
    def module(self) -> nn.Module:
        """`module(*inputs)` is [rows, ...] in the order of members; parameters that require gradients are trained."""
        ...

    def parameters(self) -> dict[str, nn.Parameter]:
        """All that is trained, by name: the module's, and what the loss has of its own (a temperature)."""
        ...

    def batches(self, epoch: int) -> list[list[int]]:
        """The whole epoch, as global batches of members.  Raises DegluError at too few."""
        ...

    def inputs(self, members: Sequence[int], at: At) -> tuple[Any, ...]:
        """What the module takes for these members; tensors on the CPU.  Called on another thread."""
        ...

    def loss(self, vectors: Tensor, members: Sequence[int], at: At, gather: Gather) -> Mapping[str, Tensor]:
        """This worker's share of the batch's loss: "loss" is minimised, the other parts are reported."""
        ...

    def scores(self) -> dict[str, float]:
        """On dev, with the weights as they are; SCORE decides the best."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that is kept of what was trained, buffers included; `load` takes it back."""
        ...

    def load(self, state: Mapping[str, Tensor]) -> None: ...

    def names(self, members: Sequence[int]) -> list[str]:
        """The members as a user knows them."""
        ...


def chance(seed: int, epoch: int, member: int, what: Literal["inputs", "loss"] = "inputs") -> np.random.Generator:
    """The random numbers of a member in an epoch, the same wherever and whenever they are drawn."""
    return np.random.default_rng([seed, epoch, member, ("inputs", "loss").index(what)])


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of the module that require gradients, by name."""
    return {name: value for name, value in module.named_parameters() if value.requires_grad}
