"""Sizes of the GPU bench: those of the production on a GPU, and tiny ones for a rehearsal on the CPU."""

from dataclasses import dataclass, field
from typing import Any, Literal

from evaluate.bench.train.gpu import CLIP_S, DIMS, QWEN3


@dataclass(frozen=True)
class Sizes:
    device: Literal["cuda", "cpu"] = "cuda"
    text: dict[str, Any] = field(default_factory=lambda: dict(QWEN3))  # of Qwen3-Embedding-0.6B
    speech: dict[str, Any] = field(default_factory=dict)  # HuBERT base, as transformers has it
    dims: tuple[int, ...] = DIMS
    texts: int = 8192
    waves: int = 2048
    rounds: int = 3
    matrix: int = 8192
    recordings: int = 24  # of `minutes` each, as mp3
    minutes: float = 10
    batch: int = 128
    clip_s: float = CLIP_S
    steps: int = 20
    index_rows: int = 200_000
    compiler: str = "inductor"  # of torch.compile


REAL = Sizes()
TINY = Sizes(
    "cpu",
    {**QWEN3, "vocab_size": 16, "hidden_size": 32, "intermediate_size": 16, "num_hidden_layers": 2,
     "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4},
    {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
     "conv_dim": [8] * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2},
    (32, 16), texts=16, waves=4, rounds=1, matrix=64, recordings=2, minutes=0.2, batch=2, clip_s=0.4, steps=1,
    index_rows=500, compiler="eager",
)  # fmt: skip
