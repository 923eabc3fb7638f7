"""Precision of the frozen towers: float32, or bfloat16 where the hardware supports it.

bfloat16 halves the bytes read and doubles the multiplications per second; norms, softmax, pooling and the transform
stay float32.  `python -m evaluate.bench.embed` measures its effect on the vectors.
"""

from typing import Any, Literal

import torch
from torch import nn

from embed.model.spec import Precision
from embed.model.towers.packed import pack

# Of torch.cpu.get_capabilities; without one of them bfloat16 is emulated, which is slower than float32.
NATIVE = ("avx512_bf16", "amx_bf16")


def effective_precision(precision: Precision, device: str) -> Literal["float32", "bfloat16"]:
    """The precision that `auto` means on a device (`cpu`, `cuda`, `cuda:1`); any other choice unchanged."""
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16(device) else "float32"


def has_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 in hardware."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # The oldest supported torch does not have this.
    ask: Any = getattr(torch.cpu, "get_capabilities", dict)
    return any(ask().get(name, False) for name in NATIVE)


def prepare_inference(tower: Any, precision: Literal["float32", "bfloat16"]) -> None:
    """Make a frozen `transformers` model as fast as its device allows; after this it is for inference only."""
    on_cpu = next(tower.parameters()).device.type == "cpu"
    if precision == "bfloat16":
        nn.Module.to(tower, torch.bfloat16)
        if on_cpu and hasattr(tower, "config"):  # else parts of a model, with an attention of their own
            from embed.model.towers.attention import attend_in_blocks  # transformers takes seconds to import

            attend_in_blocks(tower)
    if on_cpu:
        pack(tower)
