"""An epoch read straight and through Ray Data: the same frames in the same order, or no comparison."""

from collections.abc import Iterator, Sequence

import pytest
import torch

from embed.errors import DegluError
from evaluate.bench.train import reading as train_reading
from evaluate.bench.train.reading import direct, reading_rows
from train.frozen.features import Features

pytestmark = pytest.mark.ray


def test_either_reads_the_epoch(ray_session: None) -> None:
    (row,) = reading_rows(1, 3, 4)
    assert row.unit == "clips/s"
    assert row.theirs is not None
    assert min(row.ours, row.theirs) > 0


def test_another_order_is_no_comparison(ray_session: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def backwards(features: Features, order: Sequence[Sequence[int]]) -> Iterator[torch.Tensor]:
        return direct(features, order[::-1])

    monkeypatch.setattr(train_reading, "direct", backwards)
    with pytest.raises(DegluError, match="in another order"):
        reading_rows(1, 3, 4)
