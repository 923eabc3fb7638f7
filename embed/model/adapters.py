"""What of the towers is trained beside the fusion: low-rank adapters (peft), whole layers; texts keep the frozen tower.

- For speech, a text tower with adapters is a twin: its own structure over the same weights, so that texts go on
  through the tower itself and get the same vectors to the bit.
- peft is needed for training alone.  What an adapter learnt is kept as plain matrices, `down` [rank, in] and `up`
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
PEFT_NAME = "default"  # of the one adapter a layer has
# Where the architectures keep their blocks (transformer layers).
STACKS = ("layers", "encoder.layers", "encoder.layer")


def twin(model: Any) -> Any:
    """A copy whose innermost modules, and all weights, are the model's own: what is put in their place there is not."""
    shared = {id(module): module for module in model.modules() if not list(module.children())}
    return deepcopy(model, shared | {id(one): one for one in (*model.parameters(), *model.buffers())})


def shared_places(model: Any, other: Any) -> list[str]:
    """Names of the innermost modules that a twin shares with the model."""
    theirs = dict(other.named_modules())
    leaves = {name: module for name, module in model.named_modules() if not list(module.children())}
    return [name for name, module in leaves.items() if theirs.get(name) is module]


def put(model: Any, name: str, module: nn.Module) -> None:
    """The module in the place of the one of that name."""
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
            "adapters are trained by peft, which is not installed: pip install -e '.[lora]', or leave them out of adapt"
        ) from None
    chosen = _targets(model, spec, depth)
    config = LoraConfig(r=spec.rank, lora_alpha=spec.alpha, lora_dropout=0.0, bias="none", target_modules=chosen)
    inject_adapter_in_model(config, model, adapter_name=PEFT_NAME)


def lora_state(model: Any) -> State:
    """What the adapters of a tower learnt so far, by the names of their layers; empty where there are none."""
    found: State = {}
    for name, layer in _adapted(model):
        found[name + DOWN] = layer.lora_A[PEFT_NAME].weight.detach()
        found[name + UP] = layer.lora_B[PEFT_NAME].weight.detach()
    return found


def merge(model: Any, state: Mapping[str, Tensor], spec: LoraSpec) -> None:
    """Put in the place of each adapted layer one with `alpha / rank * up @ down` added to its weights.

    InputError where the state is of another tower or rank.
    """
    layers = dict(model.named_modules())
    for name in sorted({key.rpartition(".")[0] for key in state}):
        down, up, layer = state.get(name + DOWN), state.get(name + UP), layers.get(name)
        layer = getattr(layer, "base_layer", layer)
        if not isinstance(layer, nn.Linear) or down is None or up is None:
            raise InputError(f"the tower has no linear layer {name} for this adapter")
        if down.shape != (spec.rank, layer.in_features) or up.shape != (layer.out_features, spec.rank):
            raise InputError(f"{name} wants rank {spec.rank}, {layer.in_features} to {layer.out_features}")
        put(model, name, _grown(layer, spec.alpha / spec.rank * up.double() @ down.double()))


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
    heard = {f"{stack}.{i}." for i in range(len(layers) if depth is None else depth)}
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    inside = [name for name in linear if any(name.startswith(prefix) for prefix in heard)]
    chosen = [name for name in inside if any(f".{name}".endswith(f".{target}") for target in spec.targets)]
    if not chosen:
        ends = ", ".join(sorted({name.rpartition(".")[2] for name in inside}))
        raise SpecError(f"no linear layer ends in {' or '.join(spec.targets)}; targets of this tower may be {ends}")
    # WavLM hands the weights of these to torch, past the layers and past whatever stands on them.
    unheard = [name for name in chosen if name.endswith(("q_proj", "k_proj", "v_proj"))]
    if getattr(model.config, "model_type", "") == "wavlm" and unheard:
        raise SpecError("WavLM's q_proj, k_proj and v_proj take no adapters; choose targets: [out_proj], or unfreeze")
    return chosen


def _adapted(model: Any) -> Iterator[tuple[str, Any]]:
    return ((name, module) for name, module in model.named_modules() if hasattr(module, "lora_A"))


def _grown(layer: nn.Linear, change: Tensor) -> nn.Linear:
    """A layer of its own with the change [out, in] added; the old one stays as it is, for texts have it too."""
    weight = layer.weight.detach()
    grown = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, weight.device, weight.dtype)
    with torch.no_grad():
        grown.weight.copy_(weight.double() + change.to(weight.device))
        if layer.bias is not None:
            grown.bias.copy_(layer.bias)
    return grown.requires_grad_(False).eval()


def _stack(model: Any) -> tuple[str, nn.ModuleList]:
    for name in STACKS:
        try:
            found = model.get_submodule(name)
        except AttributeError:
            continue
        if isinstance(found, nn.ModuleList):
            return name, found
    raise SpecError(f"the layers of a {type(model).__name__} are not where this version looks: train no part of it")


def _last(model: Any, count: int, depth: int | None) -> list[tuple[str, nn.Module]]:
    name, layers = _stack(model)
    end = len(layers) if depth is None else depth
    if count > end:
        raise SpecError(f"{count} layers are to be trained, but only {end} are in use; lower the number")
    return [(f"{name}.{i}", layers[i]) for i in range(end - count, end)]
