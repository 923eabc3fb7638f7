"""Compilation of a tower's layers by `torch.compile`: many small operations on a GPU become a few large ones.

Layer by layer, since all layers of a tower have one code: it is compiled once, for passes of any size.  Hooks and the
code around the layers stay as they are.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Backend = str | Callable[..., Any]  # of torch.compile


def compile_layers(tower: Any, backend: Backend = "inductor") -> int:
    """Compile the layers of a `transformers` encoder in their place; the number of layers, 0 where there are none.

    The first pass then takes longer, up to a minute.  Vectors differ by rounding.
    """
    layers = repeated(tower)
    for layer in layers:
        layer.forward = torch.compile(layer.forward, dynamic=True, backend=backend)
    return len(layers)


def repeated(tower: Any) -> list[nn.Module]:
    """The layers of a tower: of its lists of as many modules as it has layers, the one with the most weights."""
    depth = getattr(getattr(tower, "config", None), "num_hidden_layers", 0)
    lists = [list(one) for one in tower.modules() if isinstance(one, nn.ModuleList) and len(one) == depth > 0]
    return max(lists, key=_weights, default=[])


def _weights(layers: list[nn.Module]) -> int:
    return sum(value.numel() for layer in layers for value in layer.parameters())
