"""Contract between a strategy and the training loop.

A strategy knows its model, its data and its loss; the loop knows steps, workers, memory and time.  All random numbers
of a strategy come from `chance(seed, epoch, member)`, never from a worker's rank or from earlier draws: a result
depends neither on the number of workers nor on interruptions.
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
SCORE = "score"  # the one of a strategy's scores that decides which weights are best; higher is better

# nDCG@10 of each query: scores [q, n], and the right columns of each query.  The caller passes it: train does not
# import evaluate.
Metric = Callable[[Any, Any], NDArray[np.float64]]


@dataclass(frozen=True)
class At:
    """Place of a batch in the training."""

    step: int  # from 0, over all epochs
    epoch: int  # from 0
    position: int  # of the batch in its epoch

    @property
    def role(self) -> Role:
        """Role of the whole batch; the two roles alternate: a spoken question, then an archived recording."""
        return ROLES[self.step % 2]


class Strategy(Protocol):
    """A kind of model with its training data and its loss.  Members are positions in the training data."""

    @property
    def module(self) -> nn.Module:
        """`module(*inputs)` is [rows, ...] in the order of members; parameters that require gradients are trained."""
        ...

    def parameters(self) -> dict[str, nn.Parameter]:
        """Trained parameters by name: the module's, and the loss's own (a temperature)."""
        ...

    def batches(self, epoch: int) -> list[list[int]]:
        """The whole epoch, as global batches of members.  Raises DegluError at too few."""
        ...

    def inputs(self, members: Sequence[int], at: At) -> tuple[Any, ...]:
        """The module's arguments for these members; tensors on the CPU.  Called on another thread."""
        ...

    def loss(self, vectors: Tensor, members: Sequence[int], at: At, gather: Gather) -> Mapping[str, Tensor]:
        """This worker's share of the batch's loss: "loss" is minimised, the other parts are reported."""
        ...

    def scores(self) -> dict[str, float]:
        """Scores of the current weights on dev; SCORE decides which weights are best."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Tensors of the trained parts, buffers included; `load` restores them."""
        ...

    def load(self, state: Mapping[str, Tensor]) -> None: ...

    def names(self, members: Sequence[int]) -> list[str]:
        """Names of the members, for users."""
        ...


def chance(seed: int, epoch: int, member: int, what: Literal["inputs", "loss"] = "inputs") -> np.random.Generator:
    """Random generator of a member in an epoch: the same on every worker and at any time."""
    return np.random.default_rng([seed, epoch, member, ("inputs", "loss").index(what)])


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of the module that require gradients, by name."""
    return {name: value for name, value in module.named_parameters() if value.requires_grad}
