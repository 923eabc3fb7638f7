"""Checkpoint files: configurations as JSON, weights mapped from the disk and not copied.

Only mapped weights that are used are read: a question of ten words reads ten rows of a vocabulary.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

WEIGHTS = "model.safetensors"


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; None where there is no such file or it holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def settings(values: Mapping[str, Any], needed: Iterable[str], fixed: Mapping[str, Any]) -> SimpleNamespace | None:
    """The configuration as attributes; None where a needed value is missing, or one is not as `fixed` requires.

    A fixed value that is missing in the file has the value in `fixed`.
    """
    if any(values.get(name) is None for name in needed) or "quantization_config" in values:
        return None
    if any(values.get(name, value) != value for name, value in fixed.items()):
        return None
    return SimpleNamespace(**{**fixed, **values})


def embedding(rows: int, width: int) -> nn.Embedding:
    """A table without initial values: torch imports sympy to draw random numbers on the meta device."""
    return nn.Embedding(rows, width, _weight=torch.empty(rows, width))


def fill(model: nn.Module, folder: Path, prefixes: Iterable[str] = ("",)) -> bool:
    """Give a model, made on the meta device, its float32 weights from `model.safetensors`, where it holds all of them.

    Their names are the model's own after the first of `prefixes` that matches.  False, and nothing changes, where the
    file is missing or unreadable, or a weight is missing or of another shape.
    """
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            names = set(file.keys())
            prefix = next((one for one in prefixes if all(one + name in names for name in shapes)), None)
            if prefix is None:
                return False
            found = {name: file.get_tensor(prefix + name).to(torch.float32) for name in shapes}
    except (OSError, SafetensorError):
        return False
    if any(tuple(found[name].shape) != shape for name, shape in shapes.items()):
        return False
    model.load_state_dict(found, assign=True)
    model.eval().requires_grad_(False)
    return True
