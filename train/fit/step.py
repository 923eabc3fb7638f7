"""Gradients of one batch: this worker's rows, as many at a time as fit into memory, the loss over all workers' rows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from embed.errors import DegluError
from embed.model.towers.budget import out_of_memory
from train.fit.grad_cache import cached_backward
from train.fit.parallel import Workers, no_sync
from train.strategy import At, Strategy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Share:
    """One worker's rows of a batch, and the module's inputs for them."""

    at: At
    members: Sequence[int]  # of the whole batch
    own: Sequence[int]
    micro: int  # rows in one of the inputs, at most
    inputs: Sequence[tuple[Any, ...]]


class Gradients:
    """Computes gradients of shares; remembers how many rows fit into memory."""

    def __init__(
        self,
        strategy: Strategy,
        module: nn.Module,  # the strategy's, wrapped
        workers: Workers,
        micro: int,
        device: torch.device,
        bfloat16: bool,
    ) -> None:
        self.strategy, self.module, self.workers = strategy, module, workers
        self.micro, self.device, self.bfloat16 = micro, device, bfloat16
        self.finite: Tensor | None = None  # by row, of the last share's vectors
        self._exchanged = False

    def share(self, members: Sequence[int], at: At) -> Share:
        """This worker's share of a batch, with its inputs; runs on another thread than `add`."""
        own, micro = list(members[self.workers.rank :: self.workers.world]), self.micro
        parts = [own[i : i + micro] for i in range(0, len(own), micro)]
        return Share(at, members, own, micro, [self.strategy.inputs(part, at) for part in parts])

    def add(self, share: Share) -> dict[str, Tensor]:
        """Add gradients to the parameters, which have none before; returns the loss's parts.

        Where memory runs out, the number of rows at a time is halved for the rest of the training.  Raises DegluError
        where a single row does not fit, or where the other workers wait for this worker's gradients.
        """
        while True:
            if share.micro > self.micro:
                share = self.share(share.members, share.at)
            parts = self._attempt(share)
            if parts is not None:
                return parts

    def order(self, members: Sequence[int]) -> list[int]:
        """The batch's members as `gather` joins them: worker by worker."""
        return [one for rank in range(self.workers.world) for one in members[rank :: self.workers.world]]

    def rows(self, members: Sequence[int]) -> list[int]:
        """Number of the members that each worker has."""
        return [len(members[rank :: self.workers.world]) for rank in range(self.workers.world)]

    def _attempt(self, share: Share) -> dict[str, Tensor] | None:
        """The loss's parts; None where memory ran out."""
        torch.manual_seed(share.at.step)
        self._exchanged = False
        try:
            inputs = [self._on_device(one) for one in share.inputs]
            return cached_backward(
                self._forward, inputs, lambda vectors: self._loss(vectors, share), no_sync(self.module)
            )
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            self._halve(share)
        # After the except clause: until then the error references all tensors of the pass.
        for parameter in self.strategy.parameters().values():
            parameter.grad = None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _forward(self, *inputs: Any) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            vectors: Tensor = self.module(*inputs)
        return vectors.float() if self.bfloat16 else vectors

    def _loss(self, vectors: Tensor, share: Share) -> Mapping[str, Tensor]:
        self._exchanged = True
        self.finite = vectors.detach().flatten(1).isfinite().all(1)
        gather = self.workers.gather(self.rows(share.members))
        return self.strategy.loss(vectors, share.own, share.at, gather)

    def _halve(self, share: Share) -> None:
        most = min(self.micro, len(share.own))
        if most == 1:
            raise DegluError(
                f"out of memory with a single row at step {share.at.step}; use a smaller model or shorter examples"
            )
        if self._exchanged and self.workers.world > 1:
            # The others wait for this worker's gradients and cannot repeat the step.
            raise DegluError(
                f"out of memory at step {share.at.step}; set optimiser.micro_batch to {most // 2} or less and run again"
            )
        self.micro = most // 2
        log.warning("out of memory with %d rows at a time: %d at a time from now on", most, self.micro)

    def _on_device(self, inputs: Sequence[Any]) -> list[Any]:
        return [one.to(self.device, non_blocking=True) if isinstance(one, Tensor) else one for one in inputs]
