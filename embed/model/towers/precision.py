"""In which arithmetic the frozen towers run: float32, or bfloat16 where the hardware has it of its own.

bfloat16 halves what is read and doubles what is multiplied; norms, softmax, pooling and the transform stay float32.
What it does to the vectors is measured by `python -m evaluate.bench.embed`.
"""

from typing import Any, Literal

import torch
from torch import nn

from embed.model.spec import Precision
from embed.model.towers.packed import pack

# Of torch.cpu.get_capabilities; without one of them bfloat16 is emulated, which is slower than float32.
NATIVE = ("avx512_bf16", "amx_bf16")


def settled(precision: Precision, device: str) -> Literal["float32", "bfloat16"]:
    """What `auto` means on a device (`cpu`, `cuda`, `cuda:1`); any other choice as it is."""
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16(device) else "float32"


def has_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 by itself."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Newer than the oldest torch that is allowed.
    ask: Any = getattr(torch.cpu, "get_capabilities", dict)
    return any(ask().get(name, False) for name in NATIVE)


def quicken(tower: Any, precision: Literal["float32", "bfloat16"]) -> None:
    """Make a frozen `transformers` model as fast as it can be where it is; for inference alone from then on."""
    on_cpu = next(tower.parameters()).device.type == "cpu"
    if precision == "bfloat16":
        nn.Module.to(tower, torch.bfloat16)
        if on_cpu:
            from embed.model.towers.attention import attend_in_blocks  # transformers takes seconds to import

            attend_in_blocks(tower)
    if on_cpu:
        pack(tower)
