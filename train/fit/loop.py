"""Training loop: plain torch, one process or many; it neither starts processes nor writes files.

- The global batches and all random numbers are the strategy's; they do not depend on the number of workers.
- Worker r of n takes rows r, r + n, r + 2n... of a batch; the loss is that of the whole batch, the gradient the mean.
- A micro-batch that does not fit into memory is halved, and the step is repeated.
- The towers compute in bfloat16 where the hardware supports it; frozen weights are kept in it, losses are float32.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor, nn

from embed.errors import DegluError, SpecError
from embed.model.spec import Precision
from embed.model.towers.precision import effective_precision
from train.events import EpochDone, Event, SmallerMicroBatch, StepDone, TrainingEnd
from train.fit.bfloat16 import convert_frozen
from train.fit.checkpoint import State, with_scores
from train.fit.parallel import ONE_WORKER, Workers
from train.fit.running_mean import RunningMean
from train.fit.step import Gradients, Share
from train.spec import TrainSpec
from train.strategy import At, Strategy

MOST_NAMES = 5  # members that an error names


def run(
    strategy: Strategy,
    spec: TrainSpec,
    *,
    start: State | None = None,
    workers: Workers = ONE_WORKER,
    device: str = "cpu",
    precision: Precision = "auto",
    save: Callable[[State], object] = lambda state: None,
) -> Iterator[Event]:
    """Train in place from the beginning or from `start`, with an event for every step; the last one is TrainingEnd.

    Worker 0 calls `save` with a State every `checkpoints.every_steps` steps and after every scoring.  At the end the
    module holds the last weights; the saved scores show which were the best.  Raises DegluError at the first loss that
    is not finite, naming step, epoch and members.
    """
    bfloat16 = effective_precision(precision, device) == "bfloat16"
    yield from _Training(strategy, spec, workers, device, bfloat16, save).run(start)


def warm_cosine(warmup: int, total: int) -> Callable[[int], float]:
    """Linear to 1 over the warm-up, then half a cosine to 0 at the end."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))

    return factor


def num_steps(strategy: Strategy, epochs: int) -> int:
    """Steps of the whole training; epochs may differ in length."""
    return sum(len(strategy.batches(epoch)) for epoch in range(epochs))


class _Training:
    """Weights, optimiser and place in the data, from step to step."""

    def __init__(
        self,
        strategy: Strategy,
        spec: TrainSpec,
        workers: Workers,
        device: str,
        bfloat16: bool,
        save: Callable[[State], object],
    ) -> None:
        self.strategy, self.spec, self.workers, self.save = strategy, spec, workers, save
        self.device, self.bfloat16 = torch.device(device), bfloat16
        settings = spec.optimiser
        if settings.batch < workers.world:
            raise SpecError(
                f"field 'optimiser.batch' = {settings.batch}: fewer than one row for each of {workers.world} workers;"
                " raise it or use fewer workers"
            )
        self.total = num_steps(strategy, settings.epochs)
        self.rate = warm_cosine(settings.warmup_steps, self.total)

    def run(self, start: State | None) -> Iterator[Event]:
        self._begin(start)
        if self.place.finished:
            yield TrainingEnd(self.place.step, self.place.epoch, "this training is already finished", early=False)
            return
        while not self.place.finished:
            yield from self._epoch()
        early = self.place.epoch + 1 < self.spec.optimiser.epochs
        reason = f"no better score on dev in {self.place.stale} scorings" if early else "the last epoch is done"
        yield TrainingEnd(self.place.step, self.place.epoch, reason, early)

    def _begin(self, start: State | None) -> None:
        """Moves everything to its device and type, and restores the state of `start`."""
        settings, module = self.spec.optimiser, self.strategy.module
        module.to(self.device).train()
        if start is not None:
            self.strategy.load(start.weights)
        if self.bfloat16:
            convert_frozen(module)
        self.parameters = self.strategy.parameters()
        self.optimiser = torch.optim.AdamW(
            self.parameters.values(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.average = RunningMean(self.parameters, settings.average)
        if start is not None:
            self.average.load(start.average)
            _restore(self.optimiser, self.parameters, start.optimiser)
        self.gradients = Gradients(
            self.strategy,
            self.workers.wrap(module),
            self.workers,
            min(settings.micro_batch or settings.batch, settings.batch),
            self.device,
            self.bfloat16,
        )
        # The place in the data, without the tensors, which are copied when a state is saved.
        self.place = replace(start or State(0, 0, 0, {}, {}, {}), weights={}, optimiser={}, average={})
        if self.place.scores and not self.place.finished:
            self.place = replace(self.place, epoch=self.place.epoch + 1, position=0, scores={})

    def _epoch(self) -> Iterator[Event]:
        """The remaining steps of the epoch, and its scoring."""
        began, means = time.perf_counter(), _Means()
        for event in self._steps(self.strategy.batches(self.place.epoch)):
            means.add(event)
            yield event
        epoch, best = self.place.epoch, self.place.best
        last = epoch + 1 == self.spec.optimiser.epochs
        if last or (epoch + 1) % self.spec.validation.every_epochs == 0:
            self._score(last)
        scores, better = self.place.scores, self.place.best != best
        yield EpochDone(epoch, self.place.step, means.means(), scores, better, time.perf_counter() - began)
        if not self.place.finished:
            self.place = replace(self.place, epoch=epoch + 1, position=0, scores={})

    def _steps(self, batches: Sequence[Sequence[int]]) -> Iterator[StepDone | SmallerMicroBatch]:
        for share in self._ahead(batches):
            began, micro = time.perf_counter(), self.gradients.micro
            parts = self.gradients.add(share)
            if self.gradients.micro < micro:
                yield SmallerMicroBatch(share.at.step, self.gradients.micro)
            losses, norm, rate = self._update(share, parts)
            self.place = replace(self.place, step=share.at.step + 1, position=share.at.position + 1)
            if self.place.step % self.spec.checkpoints.every_steps == 0:
                self._save()
            seconds = time.perf_counter() - began
            yield StepDone(self.place.step, share.at.epoch, self.total, len(share.members), losses, rate, norm, seconds)

    def _ahead(self, batches: Sequence[Sequence[int]]) -> Iterator[Share]:
        """The remaining batches of the epoch: a thread prepares the next one during each step."""
        place = self.place
        first = place.step - place.position
        todo = [At(first + i, place.epoch, i) for i in range(place.position, len(batches))]
        with ThreadPoolExecutor(1) as thread:
            waiting: deque[Future[Share]] = deque()
            for at in todo:
                waiting.append(thread.submit(self.gradients.share, batches[at.position], at))
                if len(waiting) > 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _update(self, share: Share, parts: Mapping[str, Tensor]) -> tuple[dict[str, float], float, float]:
        """Take the step; returns the loss's parts, the gradient's norm and the rate.  DegluError where not finite."""
        clipped = nn.utils.clip_grad_norm_(self.parameters.values(), self.spec.optimiser.clip_norm)
        losses, norm = {name: float(value) for name, value in parts.items()}, float(clipped)
        if not (math.isfinite(losses["loss"]) and math.isfinite(norm)):
            raise DegluError(self._not_finite(share, losses["loss"], norm))
        rate = self.spec.optimiser.learning_rate * self.rate(share.at.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.update(share.at.step)
        return losses, norm, rate

    def _not_finite(self, share: Share, loss: float, norm: float) -> str:
        members, finite = self.gradients.order(share.members), self.gradients.finite
        assert finite is not None
        if not math.isfinite(norm) and self.workers.world > 1:
            # The norm is the same on all workers, so all of them are here and can exchange their rows.
            finite = self.workers.gather(self.gradients.rows(members))(finite.float()).bool()
        elif self.workers.world > 1:
            members = list(share.own)
        bad = [one for one, fine in zip(members, finite.tolist(), strict=True) if not fine]
        cure = "check these examples" if bad else "lower optimiser.learning_rate"
        names = self.strategy.names((bad or members)[:MOST_NAMES])
        more = len(bad or members) - len(names)
        return (
            f"training stopped: the loss is {loss} and the gradient's norm {norm} at step {share.at.step} of epoch"
            f" {share.at.epoch}, from {', '.join(names)}{f' and {more} more' if more else ''}; {cure}"
        )

    def _score(self, last: bool) -> None:
        """Worker 0 scores dev, and all workers use its scores."""
        scores: dict[str, float] = {}
        if self.workers.rank == 0:
            autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)
            with self.average.applied(), autocast, torch.inference_mode():
                scores = self.strategy.scores()
            self.strategy.module.train()
        self.place = with_scores(self.place, self.workers.agree(scores))
        patience = self.spec.validation.patience
        self.place = replace(self.place, finished=last or 0 < patience <= self.place.stale)
        self._save()

    def _save(self) -> None:
        if self.workers.rank == 0:
            self.save(
                replace(
                    self.place,
                    weights=_copies(self.strategy.state()),
                    optimiser=_copies(_optimiser_state(self.optimiser, self.parameters)),
                    average=_copies(self.average.state()),
                )
            )


class _Means:
    """Means over steps of every part of the loss."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._steps = 0

    def add(self, event: StepDone | SmallerMicroBatch) -> None:
        if isinstance(event, StepDone):
            self._steps += 1
            for name, value in event.losses.items():
                self._sums[name] = self._sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        return {name: value / self._steps for name, value in self._sums.items()}


def _optimiser_state(optimiser: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Every tensor of the optimiser as "<what>/<parameter>"."""
    return {
        f"{what}/{name}": value
        for name, parameter in parameters.items()
        for what, value in optimiser.state[parameter].items()
    }


def _restore(
    optimiser: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter], state: Mapping[str, Tensor]
) -> None:
    for place, value in state.items():
        what, _, name = place.partition("/")
        parameter = parameters[name]
        optimiser.state[parameter][what] = value.to(parameter.device, copy=True)


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in tensors.items()}
