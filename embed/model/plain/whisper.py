"""Whisper's encoder in plain torch, with the names of modules that its checkpoints have.

Convolutions, positions and the closing norm are run by `embed.model.towers.speech_families`, which never pads to 30 s.
Shapes: B batch, T frames, H width.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from embed.model.plain.checkpoint import embedding, fill, read_json, settings

NEEDED = (
    *("d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim"),
    *("num_mel_bins", "max_source_positions"),
)
FIXED = {"model_type": "whisper", "activation_function": "gelu", "scale_embedding": False}
PREFIXES = ("model.encoder.", "encoder.")


def plain_whisper(folder: Path) -> "Whisper | None":
    """The Whisper of a checkpoint's folder, without its decoder, frozen; None where it is another architecture."""
    values = read_json(folder / "config.json")
    config = settings(values, NEEDED, FIXED) if values and values.get("model_type") == "whisper" else None
    if config is None:
        return None
    config.hidden_size, config.num_hidden_layers = config.d_model, config.encoder_layers
    with torch.device("meta"):
        model = Whisper(config)
    return model if fill(model.encoder, folder, PREFIXES) else None


class Whisper(nn.Module):
    """The part of `transformers.WhisperModel` that a speech tower uses."""

    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)


class Encoder(nn.Module):
    """The parts of the encoder; they are called one by one."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        width = config.d_model
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.embed_positions = embedding(config.max_source_positions, width)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(width)

    @property
    def dtype(self) -> torch.dtype:
        return self.layer_norm.weight.dtype


class _Layer(nn.Module):
    """One block: attention, then two linear layers, each normed first and added to its input."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.self_attn = _Attention(config.d_model, config.encoder_attention_heads)
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.fc1 = nn.Linear(config.d_model, config.encoder_ffn_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_dim, config.d_model)
        self.final_layer_norm = nn.LayerNorm(config.d_model)

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """[B, T, H]; the mask [B, 1, T, T] is added to the scores."""
        hidden = hidden + self.self_attn(self.self_attn_layer_norm(hidden), attention_mask)
        inner = nn.functional.gelu(self.fc1(self.final_layer_norm(hidden)))
        out: Tensor = hidden + self.fc2(inner)
        return out


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scaling = (width // heads) ** -0.5
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(3))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        # Queries are scaled before the product, as in the original: the other order rounds differently.
        parts = self.q_proj(hidden) * self.scaling, self.k_proj(hidden), self.v_proj(hidden)
        split = *hidden.shape[:-1], self.heads, -1
        query, key, value = (part.view(split).transpose(1, 2).contiguous() for part in parts)
        found = nn.functional.scaled_dot_product_attention(query, key, value, mask, scale=1.0)
        out: Tensor = self.out_proj(found.transpose(1, 2).reshape(hidden.shape))
        return out
