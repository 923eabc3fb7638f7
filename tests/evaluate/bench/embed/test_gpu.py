"""The GPU section: what can be said without one, and its rows where there is one."""

from collections.abc import Callable

import pytest
import torch

from embed.model.spec import TextTowerSpec
from embed.model.towers.text import TextTower
from evaluate.bench.embed.gpu import gpu_rows, weights


def test_tables_of_embeddings_are_no_work(tiny: Callable[[str], str]) -> None:
    model = TextTower.load(TextTowerSpec.parse({"name": tiny("bert"), "pooling": "mean"})).model
    tables = sum(value.numel() for name, value in model.named_parameters() if name.endswith("_embeddings.weight"))
    assert weights(model) == sum(value.numel() for value in model.parameters()) - tables
    assert tables > 0


@pytest.mark.gpu
@pytest.mark.data
def test_rows_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    rows = gpu_rows(8, 1)
    assert [row.unit for row in rows] == ["tokens/s", "Tflop/s", "", "audio-s/s", ""]
    assert all(row.ours > 0 for row in rows)
