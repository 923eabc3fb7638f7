"""Too little memory: half as many rows at a time, and the same gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from embed.errors import DegluError
from tests.train.memory_lesson import MemoryLesson
from train.events import SmallerMicroBatch, StepDone
from train.fit.loop import run
from train.fit.parallel import Workers
from train.fit.step import Gradients
from train.strategy import At


def cramp(module: nn.Module, most: int) -> None:
    """A device that has no room for more rows than `most`."""

    def refuse(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        if len(inputs[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    module.register_forward_pre_hook(refuse)


def gradients_of(lesson: MemoryLesson, most: int, workers: Workers | None = None) -> tuple[dict[str, Tensor], int]:
    """Of the first batch; and how many rows went in at a time in the end."""
    strategy = lesson.strategy()
    strategy.module.train()
    cramp(strategy.module, most)
    one = Gradients(strategy, strategy.module, workers or Workers(), 8, torch.device("cpu"), bfloat16=False)
    one.add(one.share(strategy.batches(0)[0], At(1, 0, 0)))
    return {name: value.grad for name, value in strategy.parameters().items() if value.grad is not None}, one.micro


@pytest.mark.slow
@pytest.mark.parametrize(("most", "micro"), [(7, 4), (3, 2), (1, 1)])
def test_rows_are_halved_until_they_fit_and_the_gradients_are_the_same(
    lesson: MemoryLesson, most: int, micro: int
) -> None:
    whole, eight = gradients_of(lesson, 8)
    assert eight == 8
    parts, found = gradients_of(lesson, most)
    assert found == micro
    assert set(parts) == set(whole)
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-4, atol=1e-5)


def test_a_row_that_does_not_fit_is_said(lesson: MemoryLesson) -> None:
    with pytest.raises(DegluError, match="out of memory with a single row at step 1"):
        gradients_of(lesson, 0)


@pytest.mark.slow
def test_it_is_told_once_and_remembered(lesson: MemoryLesson) -> None:
    spec = lesson.with_(optimiser={"epochs": 1})
    strategy = lesson.strategy(spec)
    cramp(strategy.module, 5)
    found = [
        event for event in run(strategy, spec, precision="float32") if isinstance(event, (StepDone, SmallerMicroBatch))
    ]
    assert [event for event in found if isinstance(event, SmallerMicroBatch)] == [SmallerMicroBatch(0, 4)]
    assert found[0] == SmallerMicroBatch(0, 4)


def test_any_other_failure_is_its_own(lesson: MemoryLesson) -> None:
    strategy = lesson.strategy()

    def fail(*_: Any) -> None:
        raise RuntimeError("shapes differ")

    strategy.module.register_forward_pre_hook(fail)
    one = Gradients(strategy, strategy.module, Workers(), 8, torch.device("cpu"), bfloat16=False)
    with pytest.raises(RuntimeError, match="shapes differ"):
        one.add(one.share(strategy.batches(0)[0], At(0, 0, 0)))
