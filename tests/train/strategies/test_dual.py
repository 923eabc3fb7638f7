"""The dual encoder learns by the same loop; independent heads are taught dim by dim."""

import pytest
import torch

from embed.model.spec import EncoderSpec
from tests.train.memory_lesson import MemoryLesson
from train.events import EpochDone
from train.fit.loop import run
from train.losses import ALONE
from train.spec import TrainSpec
from train.strategies.dual import DualStrategy
from train.strategy import At


def dual_spec(lesson: MemoryLesson, independent: bool) -> TrainSpec:
    encoder = lesson.spec.encoder.model_dump() | {"fusion": None, "head": {"queries": 2, "independent": independent}}
    parts = {"strategy": "dual", "encoder": EncoderSpec.parse(encoder)}
    return lesson.with_(optimiser={"epochs": 8, "learning_rate": 0.01}).model_copy(update=parts)


@pytest.mark.slow
def test_a_nested_head_learns(lesson: MemoryLesson) -> None:
    spec = dual_spec(lesson, independent=False)
    strategy = lesson.strategy(spec)
    epochs = [one for one in run(strategy, spec, precision="float32") if isinstance(one, EpochDone)]
    assert isinstance(strategy, DualStrategy)
    assert epochs[-1].losses["loss"] < epochs[0].losses["loss"]
    assert epochs[-1].scores["score"] > 0.5
    assert set(strategy.parameters()) == {"head.queries", "head.output.weight", "head.output.bias"}


@pytest.mark.slow
def test_independent_heads_are_taught_and_scored_each_by_itself(lesson: MemoryLesson) -> None:
    spec = dual_spec(lesson, independent=True)
    strategy = lesson.strategy(spec)
    torch.manual_seed(0)
    vectors = torch.randn(4, 56, requires_grad=True)
    told = strategy.loss(vectors, [0, 1, 2, 3], At(0, 0, 0), ALONE)
    alone = [
        lesson.strategy(_of_dim(spec, dim)).loss(_filled(part), [0, 1, 2, 3], At(0, 0, 0), ALONE)["contrast"]
        for dim, part in zip((32, 16, 8), torch.split(vectors, [32, 16, 8], dim=-1), strict=True)
    ]
    torch.testing.assert_close(told["contrast"], torch.stack(alone).mean())
    found = strategy.prefixes(strategy.vectors([64, 65], "query"))
    assert {dim: one.shape for dim, one in found.items()} == {32: (2, 32), 16: (2, 16), 8: (2, 8)}
    assert "speech_to_text@8" in strategy.scores()


def _filled(part: torch.Tensor) -> torch.Tensor:
    """As wide as the space, with nothing behind the part."""
    return torch.nn.functional.pad(part, (0, 32 - part.shape[1]))


def _of_dim(spec: TrainSpec, dim: int) -> TrainSpec:
    """The same data, with all weight on one dim of nested vectors that end there."""
    weights = tuple(float(other == dim) for other in spec.encoder.dims)
    head = {"queries": 2, "independent": False}
    encoder = EncoderSpec.parse(spec.encoder.model_dump() | {"head": head})
    loss = spec.loss.model_copy(update={"dim_weights": weights})
    return spec.model_copy(update={"encoder": encoder, "loss": loss})
