"""Attention for bfloat16 on a CPU: whole blocks of scores that fit its cache, softmax in float32.

torch's own fused kernel is made for long sequences; on passages of a hundred tokens it takes two to three times as
long (EPYC, 2026-11-22).  It is registered with transformers' interface for attention, so that every tower that
uses the interface has it.

Shapes: B batch, H heads, T queries, S keys, D a head's width.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask

NAME = "deglu_blocks"
BLOCK = 1 << 18  # scores at a time: 1 MB in float32
FEWEST_ROWS = 32  # queries at a time, however many keys and heads there are


def attend_in_blocks(model: PreTrainedModel) -> None:
    """Switch a model from torch's fused attention to this one; a model with another attention does not change."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(NAME)


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """[B, T, H, D] of query [B, H, T, D], key and value [B, H or fewer, S, D]; mask [.., T, S] is added to scores."""
    if _is_for_others(module, mask, rest):
        return sdpa_attention_forward(module, query, key, value, mask, scaling=scaling, **rest)  # type: ignore[no-any-return]
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return blocks(query, key, value, mask, scale).transpose(1, 2).contiguous(), None


def blocks(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """[B, H, T, D], computed a few batch rows at a time, or a few queries of one row where there are many keys."""
    (batch, heads, queries, width), keys = query.shape, key.shape[2]
    together = min(batch, max(1, BLOCK // (heads * queries * keys)))
    rows = queries if together > 1 else min(queries, max(FEWEST_ROWS, BLOCK // (heads * keys)))
    # Flattened, batch rows and heads are one dimension, and every part of it is contiguous.
    query, key, value = (one.reshape(batch * heads, -1, width) for one in (query, key, value))
    out = torch.empty_like(query)
    kinds = query.dtype, torch.float32, torch.float32
    scratch = [torch.empty(together * heads * rows * keys, dtype=kind) for kind in kinds]
    for one in range(0, batch, together):
        some = slice(one, min(one + together, batch))
        these = slice(some.start * heads, some.stop * heads)
        for first in range(0, queries, rows):
            part = slice(first, first + rows)
            masked = None if mask is None else _part(mask, some, part)
            _block(query[these, part], key[these], value[these], masked, heads, scale, scratch, out[these, part])
    return out.view(batch, heads, queries, width)


def _block(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    heads: int,
    scale: float,
    scratch: Sequence[Tensor],
    out: Tensor,
) -> None:
    """Into `out` [b*H, rows, D] from query of that shape, key [b*H, S, D] and value; mask [b or 1, H or 1, .., S]."""
    shape = len(query), query.shape[1], key.shape[1]
    raw, wide, soft = (one[: math.prod(shape)].view(shape) for one in scratch)
    torch.baddbmm(raw, query, key.mT, beta=0, alpha=scale, out=raw)
    if mask is None:
        wide.copy_(raw)
    else:
        split = -1, heads, *shape[1:]
        torch.add(raw.view(split), mask, out=wide.view(split))
    torch.softmax(wide, -1, out=soft)
    raw.copy_(soft)
    torch.bmm(raw, value, out=out)


def _part(mask: Tensor, batch: slice, rows: slice) -> Tensor:
    """The mask of some batch rows and queries; a size of 1 is broadcast."""
    mask = mask if mask.shape[0] == 1 else mask[batch]
    return mask if mask.shape[2] == 1 else mask[:, :, rows]


def _is_for_others(module: Any, mask: Tensor | None, rest: dict[str, Any]) -> bool:
    """Whether the library computes it: causal without a mask, dropout, cache, bias; encoders have none of these."""
    unmasked = mask is None and (rest.get("is_causal") or getattr(module, "is_causal", False))
    added = (mask is not None and mask.dtype == torch.bool) or rest.get("position_bias") is not None
    return bool(unmasked or added or rest.get("dropout") or rest.get("cache") is not None or torch.is_grad_enabled())


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, lambda *args, **kwargs: eager_mask(*args, **kwargs | {"dtype": torch.float32}))
