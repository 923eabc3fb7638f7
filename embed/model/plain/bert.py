"""BERT in plain torch, with the names of modules that its checkpoints have.

Shapes: B batch, T positions, H width, A heads.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from embed.model.plain.checkpoint import embedding, fill, read_json, settings

NEEDED = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("vocab_size", "max_position_embeddings"),
)
FIXED = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
    "chunk_size_feed_forward": 0,
}
DEFAULTS = {"type_vocab_size": 2, "layer_norm_eps": 1e-12}


def plain_bert(folder: Path) -> "Bert | None":
    """The BERT of a checkpoint's folder, frozen; None for another architecture, or an unsupported kind of BERT."""
    values = read_json(folder / "config.json")
    config = settings(DEFAULTS | values, NEEDED, FIXED) if values and values.get("model_type") == "bert" else None
    if config is None:
        return None
    with torch.device("meta"):
        model = Bert(config)
    return model if fill(model, folder, ("", "bert.")) else None


class Bert(nn.Module):
    """Ids or embeddings to the states of the last layer, as `transformers.BertModel` without its pooler."""

    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = _Encoder(config)

    @property
    def device(self) -> torch.device:
        return self.embeddings.LayerNorm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embeddings.LayerNorm.weight.dtype

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.word_embeddings

    def forward(
        self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None, attention_mask: Tensor | None = None
    ) -> SimpleNamespace:
        """`last_hidden_state` [B, T, H] of ids [B, T] or embeddings [B, T, H]; the mask [B, T] is 0 at padding."""
        hidden = self.embeddings(input_ids, inputs_embeds)
        mask = None
        if attention_mask is not None and not bool((attention_mask == 1).all()):
            length = hidden.shape[1]
            mask = (attention_mask == 1)[:, None, None, :].expand(-1, 1, length, -1)
        for layer in self.encoder.layer:
            hidden = layer(hidden, mask)
        return SimpleNamespace(last_hidden_state=hidden)


class _Embeddings(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.word_embeddings = embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, ids: Tensor | None, embedded: Tensor | None) -> Tensor:
        if embedded is None:
            assert ids is not None
            embedded = self.word_embeddings(ids)
        types = self.token_type_embeddings.weight[0].expand_as(embedded)
        positions = self.position_embeddings.weight[: embedded.shape[1]][None]
        normed: Tensor = self.LayerNorm(embedded + types + positions)
        return normed


class _Encoder(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))


class _Layer(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = _Dense(config.hidden_size, config.intermediate_size)
        self.output = _Residual(config.intermediate_size, config)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        hidden = self.attention(hidden, mask)
        out: Tensor = self.output(nn.functional.gelu(self.intermediate.dense(hidden)), hidden)
        return out


class _Attention(nn.Module):
    def __init__(self, config: Any) -> None:
        super().__init__()
        self.heads: int = config.num_attention_heads
        self.self = _Projections(config.hidden_size)
        self.output = _Residual(config.hidden_size, config)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        split = *hidden.shape[:-1], self.heads, -1
        query, key, value = (
            one(hidden).view(split).transpose(1, 2) for one in (self.self.query, self.self.key, self.self.value)
        )
        found = nn.functional.scaled_dot_product_attention(query, key, value, mask, scale=query.shape[-1] ** -0.5)
        joined: Tensor = self.output(found.transpose(1, 2).reshape(hidden.shape), hidden)
        return joined


class _Projections(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))


class _Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)


class _Residual(nn.Module):
    """A linear layer, plus the residual, normed."""

    def __init__(self, inputs: int, config: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        normed: Tensor = self.LayerNorm(self.dense(x) + residual)
        return normed
