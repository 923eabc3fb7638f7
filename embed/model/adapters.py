"""Adapters: tower weights that are trained with the fusion, as low-rank matrices (peft) or whole layers.

- They serve speech only: a text tower with adapters is a twin, its own structure over the same weights.  Texts use the
  frozen tower itself and get the same vectors to the bit.
- peft is needed only for training.  A trained adapter is stored as plain matrices, `down` [rank, in] and `up`
  [out, rank] by the layer's name, and is added to the layer's weights when a model is loaded.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from embed.errors import InputError, SpecError
from embed.model.spec import LoraSpec

State = dict[str, Tensor]
DOWN, UP = ".down", ".up"
PEFT_NAME = "default"  # name of a layer's only adapter
# Names of the blocks (transformer layers) in the architectures.
STACKS = ("layers", "encoder.layers", "encoder.layer")


def twin(model: Any) -> Any:
    """A copy that shares innermost modules and weights with the model; modules put into it later are its own."""
    shared = {id(module): module for module in model.modules() if not list(module.children())}
    return deepcopy(model, shared | {id(one): one for one in (*model.parameters(), *model.buffers())})


def shared_places(model: Any, other: Any) -> list[str]:
    """Names of the innermost modules that a twin shares with the model."""
    theirs = dict(other.named_modules())
    leaves = {name: module for name, module in model.named_modules() if not list(module.children())}
    return [name for name, module in leaves.items() if theirs.get(name) is module]


def put(model: Any, name: str, module: nn.Module) -> None:
    """Replace the module of that name."""
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)


def add_lora(model: Any, spec: LoraSpec, depth: int | None = None) -> None:
    """Put trainable adapters on a frozen tower's linear layers, in its first `depth` blocks; all where None.

    They change nothing until they are trained.  SpecError where peft is missing or no layer has such a name.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model  # an extra
    except ModuleNotFoundError:
        raise SpecError(
            "adapters need peft, which is not installed: pip install -e '.[lora]', or leave adapters out of adapt"
        ) from None
    chosen = _targets(model, spec, depth)
    config = LoraConfig(r=spec.rank, lora_alpha=spec.alpha, lora_dropout=0.0, bias="none", target_modules=chosen)
    inject_adapter_in_model(config, model, adapter_name=PEFT_NAME)


def lora_state(model: Any) -> State:
    """Weights of a tower's adapters, by the names of their layers; empty where there are none."""
    found: State = {}
    for name, layer in _adapted(model):
        found[name + DOWN] = layer.lora_A[PEFT_NAME].weight.detach()
        found[name + UP] = layer.lora_B[PEFT_NAME].weight.detach()
    return found


def merge(model: Any, state: Mapping[str, Tensor], spec: LoraSpec) -> None:
    """Replace each adapted layer by one with `alpha / rank * up @ down` added to its weights.

    InputError where the state is of another tower or rank.
    """
    layers = dict(model.named_modules())
    for name in sorted({key.rpartition(".")[0] for key in state}):
        down, up, layer = state.get(name + DOWN), state.get(name + UP), layers.get(name)
        layer = getattr(layer, "base_layer", layer)
        if not isinstance(layer, nn.Linear) or down is None or up is None:
            raise InputError(f"the tower has no linear layer {name} for this adapter")
        if down.shape != (spec.rank, layer.in_features) or up.shape != (layer.out_features, spec.rank):
            raise InputError(
                f"the adapter of {name} must have rank {spec.rank}, {layer.in_features} to {layer.out_features}"
            )
        put(model, name, _changed(layer, spec.alpha / spec.rank * up.double() @ down.double()))


def unfreeze(model: Any, count: int, depth: int | None = None) -> None:
    """Train the last `count` of a tower's first `depth` blocks, whole.  SpecError where it has fewer."""
    for _, layer in _last(model, count, depth):
        layer.requires_grad_(True)


def layers_state(model: Any, count: int, depth: int | None = None) -> State:
    """All weights of those layers, adapters left out, by their names in the tower."""
    found: State = {}
    for name, layer in _last(model, count, depth):
        for key, value in layer.state_dict(prefix=f"{name}.").items():
            if ".lora_" not in key:
                found[key.replace(".base_layer.", ".")] = value.detach()
    return found


def _targets(model: Any, spec: LoraSpec, depth: int | None) -> list[str]:
    stack, layers = _stack(model)
    prefixes = {f"{stack}.{i}." for i in range(len(layers) if depth is None else depth)}
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    inside = [name for name in linear if any(name.startswith(prefix) for prefix in prefixes)]
    chosen = [name for name in inside if any(f".{name}".endswith(f".{target}") for target in spec.targets)]
    if not chosen:
        ends = ", ".join(sorted({name.rpartition(".")[2] for name in inside}))
        raise SpecError(f"no linear layer ends in {' or '.join(spec.targets)}; targets of this tower may be {ends}")
    # WavLM passes the weights of these layers to torch directly, so adapters on them have no effect.
    without_effect = [name for name in chosen if name.endswith(("q_proj", "k_proj", "v_proj"))]
    if getattr(model.config, "model_type", "") == "wavlm" and without_effect:
        raise SpecError("WavLM's q_proj, k_proj and v_proj take no adapters; choose targets: [out_proj], or unfreeze")
    return chosen


def _adapted(model: Any) -> Iterator[tuple[str, Any]]:
    return ((name, module) for name, module in model.named_modules() if hasattr(module, "lora_A"))


def _changed(layer: nn.Linear, change: Tensor) -> nn.Linear:
    """A new layer with the change [out, in] added; the old one does not change, since texts use it too."""
    weight = layer.weight.detach()
    changed = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, weight.device, weight.dtype)
    with torch.no_grad():
        changed.weight.copy_(weight.double() + change.to(weight.device))
        if layer.bias is not None:
            changed.bias.copy_(layer.bias)
    return changed.requires_grad_(False).eval()


def _stack(model: Any) -> tuple[str, nn.ModuleList]:
    for name in STACKS:
        try:
            found = model.get_submodule(name)
        except AttributeError:
            continue
        if isinstance(found, nn.ModuleList):
            return name, found
    raise SpecError(f"this version does not find the layers of a {type(model).__name__}; leave it out of adapt")


def _last(model: Any, count: int, depth: int | None) -> list[tuple[str, nn.Module]]:
    name, layers = _stack(model)
    end = len(layers) if depth is None else depth
    if count > end:
        raise SpecError(f"{count} layers cannot be trained, only {end} are in use; lower the number")
    return [(f"{name}.{i}", layers[i]) for i in range(end - count, end)]
