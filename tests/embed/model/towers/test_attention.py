"""Attention in blocks gives what torch's own gives, for every shape of mask, heads that share keys, and any length."""

import pytest
import torch
from torch import Tensor

from embed.model.spec import TextTowerSpec
from embed.model.towers import attention as door
from embed.model.towers.attention import NAME, attend_in_blocks, attention, blocks
from embed.model.towers.text import TextTower
from tests.towers import Tiny

LOW = torch.finfo(torch.float32).min


def parts(batch: int, heads: int, length: int, width: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(length)
    query, key, value = (torch.randn(batch, length, heads, width).bfloat16().transpose(1, 2) for _ in range(3))
    return query, key, value


def padding(batch: int, length: int) -> Tensor:
    """[B, 1, 1, S]: each row one position shorter than the one before."""
    sizes = torch.arange(length, length - batch, -1)
    return torch.zeros(batch, 1, 1, length).masked_fill(torch.arange(length) >= sizes[:, None, None, None], LOW)


@pytest.mark.parametrize("block", [1 << 18, 256, 64], ids=["all at once", "a few rows", "a few queries"])
@pytest.mark.parametrize("masked", [None, "padding", "causal", "both"])
def test_blocks_are_attention(monkeypatch: pytest.MonkeyPatch, block: int, masked: str | None) -> None:
    monkeypatch.setattr(door, "BLOCK", block)
    monkeypatch.setattr(door, "FEWEST_ROWS", 3)
    query, key, value = parts(5, 2, 7)
    causal = torch.full((1, 1, 7, 7), LOW).triu(1)
    masks = {
        "padding": padding(5, 7),
        "causal": causal,
        "both": torch.maximum(padding(5, 7) + causal, torch.tensor(LOW)),
    }
    mask = masks[masked] if masked else None
    expected = torch.nn.functional.scaled_dot_product_attention(
        query.float(), key.float(), value.float(), attn_mask=mask, scale=0.5
    )
    assert (blocks(query, key, value, mask, 0.5).float() - expected).abs().max() < 0.02


def test_heads_that_share_keys() -> None:
    query, key, value = parts(2, 4, 6)
    with torch.inference_mode():
        shared, _ = attention(torch.nn.Module(), query, key[:, :2], value[:, :2], None)
        plain, _ = attention(torch.nn.Module(), query, key[:, [0, 0, 1, 1]], value[:, [0, 0, 1, 1]], None)
    assert shared.shape == (2, 6, 4, 8)
    assert torch.equal(shared, plain)


@pytest.mark.parametrize("kind", ["bert", "qwen3"])
def test_towers_go_through_it(tiny: Tiny, kind: str) -> None:
    """Padded and not, bidirectional and causal: nearer to float32 than a tenth of what the rows differ."""
    spec = TextTowerSpec.parse({"name": tiny(kind), "pooling": "mean" if kind == "bert" else "last"})
    exact, quick = TextTower.load(spec), TextTower.load(spec)
    quick.model.to(torch.bfloat16)
    attend_in_blocks(quick.model)
    assert quick.model.config._attn_implementation == NAME
    ids = torch.randint(5, 30, (3, 9))
    for sizes in ([9, 9, 9], [9, 6, 2]):
        mask = torch.arange(9)[None, :] < torch.tensor(sizes)[:, None]
        with torch.inference_mode():
            want, got = exact.pooled(mask, ids=ids), quick.pooled(mask, ids=ids)
        assert torch.cosine_similarity(want, got).min() > 0.998
        assert torch.cosine_similarity(want, got.roll(1, 0)).max() < 0.99


def test_gradients_and_other_ways_are_left_to_torch(tiny: Tiny) -> None:
    tower = TextTower.load(TextTowerSpec.parse({"name": tiny("bert"), "pooling": "mean"}))
    attend_in_blocks(tower.model)
    embedded = torch.randn(1, 4, 32, requires_grad=True)
    pooled = tower.pooled(torch.ones(1, 4, dtype=torch.bool), embedded=embedded)
    assert torch.autograd.grad(pooled.square().sum(), embedded)[0].any()
    tower.model.set_attn_implementation("eager")
    attend_in_blocks(tower.model)
    assert tower.model.config._attn_implementation == "eager"
