"""Work of a call: multiplications and weights of the torch modules that it runs, and its CPU seconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from embed.model.towers.packed import PackedLinear


@dataclass(frozen=True)
class Work:
    """What a call takes."""

    macs: float  # multiplications with additions: linear layers, convolutions, attention
    parameters: float  # weights of the modules that ran, each once
    cpu_s: float


def work_of(call: Callable[[], object]) -> Work:
    """Runs the call twice: to count, which also warms it up, and to measure its seconds on all cores."""
    seen: dict[int, int] = {}

    def before(module: nn.Module, arguments: Any) -> None:
        if isinstance(module, PackedLinear):  # its weights are no parameters
            seen[id(module)] = module.in_features * module.out_features
        seen.update((id(weight), weight.numel()) for weight in module.parameters(recurse=False))

    hook = register_module_forward_pre_hook(before)
    try:
        with FlopCounterMode(display=False, custom_mapping=_FORMULAS) as counter:
            call()
    finally:
        hook.remove()
    began = time.process_time()
    call()
    return Work(counter.get_total_flops() / 2, float(sum(seen.values())), time.process_time() - began)


def _attention(query: Any, key: Any, value: Any, *others: Any, out_shape: Any = None, **named: Any) -> int:
    count: Any = sdpa_flop_count
    return int(count(query, key, value))


def _packed(x: Any, weight: Any, *others: Any, out_shape: Any = None, **named: Any) -> int:
    return 2 * int(prod(x)) * int(out_shape[-1])


# Of a CPU: torch's table has those of GPUs.
_FORMULAS: dict[Any, Any] = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
if torch._C._has_mkldnn:
    _FORMULAS[torch.ops.mkldnn._linear_pointwise] = _packed
