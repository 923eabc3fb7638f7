"""Packed linear layers compute what the plain ones do, and replace nothing else."""

import pytest
import torch
from torch import nn

from embed.model.towers.packed import PackedLinear, pack

# `pack` leaves towers as they are on a processor without it.
packs_bfloat16 = pytest.mark.skipif(not torch.cpu._is_avx512_supported(), reason="no AVX-512: nothing is packed here")


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=packs_bfloat16)], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_the_products_of_the_plain_layer(dtype: torch.dtype, bias: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Linear(33, 70, bias=bias).to(dtype)
    packed, x = PackedLinear(plain), torch.randn(2, 5, 33).to(dtype)
    with torch.inference_mode():
        assert torch.allclose(packed(x), plain(x), rtol=1e-2 if dtype == torch.bfloat16 else 1e-5, atol=1e-5)
    assert torch.equal(packed.weight, plain.weight)


def test_only_plain_layers_are_replaced() -> None:
    class Adapter(nn.Linear):
        pass

    inside = nn.Sequential(nn.Linear(4, 4), Adapter(4, 4), nn.LayerNorm(4))
    whole = nn.Sequential(inside, nn.Linear(4, 2))
    x = torch.randn(3, 4)
    with torch.inference_mode():
        before = whole(x)
        pack(whole)
        assert torch.allclose(whole(x), before, atol=1e-6)
    if isinstance(whole[1], PackedLinear):  # else this processor has no use for it
        assert isinstance(inside[0], PackedLinear)
        assert (whole[1].in_features, whole[1].out_features) == (4, 2)
    assert type(inside[1]) is Adapter
