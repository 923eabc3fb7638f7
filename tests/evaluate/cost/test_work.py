"""Work of layers whose multiplications are counted by hand."""

import pytest
import torch
from torch import nn

from embed.model.towers import packed
from evaluate.cost.work import work_of


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Linear(4, 5), (3, 4), 3 * 4 * 5),
        (nn.Conv1d(4, 6, 3), (1, 4, 10), 6 * 8 * 4 * 3),
        (nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 2)), (7, 4), 7 * (16 + 8)),
    ],
)
def test_layers_by_hand(layer: nn.Module, shape: tuple[int, ...], macs: int) -> None:
    x = torch.randn(shape)
    with torch.inference_mode():
        found = work_of(lambda: layer(x))
    assert found.macs == macs
    assert found.parameters == sum(weight.numel() for weight in layer.parameters())
    assert found.cpu_s >= 0


def test_attention_on_a_cpu_is_counted() -> None:
    """Two heads of 10 x 8: 10 x 10 x 8 products for the scores, and as many for the sums."""
    x = torch.randn(1, 2, 10, 8)
    with torch.inference_mode():
        assert work_of(lambda: nn.functional.scaled_dot_product_attention(x, x, x)).macs == 2 * 2 * 10 * 10 * 8


def test_packed_layers_are_counted_as_plain_ones() -> None:
    if not (torch._C._has_mkldnn and torch.cpu._is_avx512_supported()):
        pytest.skip("this processor packs no layers")
    layer = packed.PackedLinear(nn.Linear(16, 8))
    with torch.inference_mode():
        found = work_of(lambda: layer(torch.randn(3, 16)))
    assert (found.macs, found.parameters) == (3 * 16 * 8, 16 * 8)


def test_only_what_runs_is_counted_and_each_weight_once() -> None:
    used, idle = nn.Linear(4, 4), nn.Linear(100, 100)
    model = nn.ModuleList([used, idle])
    with torch.inference_mode():
        found = work_of(lambda: (model[0](torch.ones(1, 4)), model[0](torch.ones(1, 4))))
    assert (found.macs, found.parameters) == (32, 20)
