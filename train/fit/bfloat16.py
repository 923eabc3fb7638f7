"""Conversion of frozen weights to bfloat16 before a training in it, so that no step converts them."""

import torch
from torch import nn
from transformers import PreTrainedModel


def convert_frozen(module: nn.Module) -> None:
    """Convert frozen weights to bfloat16, in place; trained weights and buffers are left to autocast.

    On a CPU attention becomes plain matrix products: torch's fused kernel for bfloat16 is made for long sequences, and
    with it a training step on recordings of some seconds takes twice the time of a core (EPYC, 2026-11-23: 2.20 s
    against 1.12 s for 64 clips through e5-small).
    """
    for parameter in module.parameters():
        if not parameter.requires_grad and parameter.is_floating_point():
            parameter.data = parameter.data.to(torch.bfloat16)
    for tower in module.modules():
        if isinstance(tower, PreTrainedModel) and _fused_on_cpu(tower):
            tower.set_attn_implementation("eager")


def _fused_on_cpu(tower: PreTrainedModel) -> bool:
    return bool(tower.device.type == "cpu" and tower.config._attn_implementation == "sdpa")
