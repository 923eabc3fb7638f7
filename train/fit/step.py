"""The gradients of one batch: this worker's rows, as many at a time as memory holds, the loss over all of them."""

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
    """One worker's rows of a batch, and what the module takes for them."""

    at: At
    members: Sequence[int]  # of the whole batch
    own: Sequence[int]
    micro: int  # rows in one of the inputs, at most
    inputs: Sequence[tuple[Any, ...]]


class Gradients:
    """From shares to gradients; remembers how much memory holds."""

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
        """Ready to be learnt from; runs on another thread than `add`."""
        own, micro = list(members[self.workers.rank :: self.workers.world]), self.micro
        parts = [own[i : i + micro] for i in range(0, len(own), micro)]
        return Share(at, members, own, micro, [self.strategy.inputs(part, at) for part in parts])

    def add(self, share: Share) -> dict[str, Tensor]:
        """Gradients into the parameters, which have none before; the loss's parts.

        Where memory runs out, half as many rows go in at a time, for good.  Raises DegluError where even one row does
        not fit, or where the other workers have gone on meanwhile.
        """
        while True:
            if share.micro > self.micro:
                share = self.share(share.members, share.at)
            found = self._tried(share)
            if found is not None:
                return found

    def order(self, members: Sequence[int]) -> list[int]:
        """The batch's members as `gather` joins them: worker by worker."""
        return [one for rank in range(self.workers.world) for one in members[rank :: self.workers.world]]

    def rows(self, members: Sequence[int]) -> list[int]:
        """How many of them each worker has."""
        return [len(members[rank :: self.workers.world]) for rank in range(self.workers.world)]

    def _tried(self, share: Share) -> dict[str, Tensor] | None:
        torch.manual_seed(share.at.step)
        self._exchanged = False
        try:
            inputs = [self._placed(one) for one in share.inputs]
            return cached_backward(
                self._forward, inputs, lambda vectors: self._loss(vectors, share), no_sync(self.module)
            )
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            self._halve(share)
        # Behind the except clause: the error held all that the pass had allocated.
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
                f"out of memory with a single row at step {share.at.step}: take a smaller model, or shorter examples"
            )
        if self._exchanged and self.workers.world > 1:
            # The others wait for this worker's gradients and cannot take the step again.
            raise DegluError(
                f"out of memory at step {share.at.step}: set optimiser.micro_batch to {most // 2} or less, and go on"
            )
        self.micro = most // 2
        log.warning("out of memory with %d rows at a time: %d at a time from now on", most, self.micro)

    def _placed(self, inputs: Sequence[Any]) -> list[Any]:
        return [one.to(self.device, non_blocking=True) if isinstance(one, Tensor) else one for one in inputs]
