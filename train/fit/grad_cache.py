"""Large batches in little memory: the loss sees all vectors at once, the model a few rows at a time.

Gradient caching (Gao et al., 2021, arXiv 2101.06983): vectors without a graph, the loss's gradient by vector, then
every micro-batch once more with a graph, driven by its part of that gradient.  It costs one more forward pass.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

Inputs = Sequence[Any]  # of one call of the model: tensors, and what else it takes
Parts = Mapping[str, Tensor]  # "loss" is what is minimised, others are reported


def cached_backward(
    forward: Callable[..., Tensor],
    micro_inputs: Sequence[Inputs],
    loss_of: Callable[[Tensor], Parts],
    no_sync: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> dict[str, Tensor]:
    """Add the loss's gradients to the parameters of `forward`, and of `loss_of`; the parts of the loss, detached.

    `forward(*inputs)` gives [b, ...] of a micro-batch's rows, `loss_of` the loss of all rows in their order.  One
    micro-batch takes the plain path.  All backward passes but the last run inside `no_sync()`, as DDP requires.
    torch's random state is that of the first pass again in the second, so dropout draws the same.
    """
    if len(micro_inputs) == 1:
        parts = loss_of(forward(*micro_inputs[0]))
        parts["loss"].backward()  # type: ignore[no-untyped-call]
        return _detached(parts)
    seen, states = [], []
    with torch.no_grad():
        for inputs in micro_inputs:
            states.append(_RandomState(inputs))
            seen.append(forward(*inputs))
    vectors = torch.cat(seen).requires_grad_()
    parts = loss_of(vectors)
    parts["loss"].backward()  # type: ignore[no-untyped-call]
    if vectors.grad is None:
        raise ValueError("the loss does not depend on the vectors")
    _drive(forward, micro_inputs, states, torch.split(vectors.grad, [len(one) for one in seen]), no_sync)
    return _detached(parts)


def _drive(
    forward: Callable[..., Tensor],
    micro_inputs: Sequence[Inputs],
    states: "Sequence[_RandomState]",
    gradients: Sequence[Tensor],
    no_sync: Callable[[], AbstractContextManager[object]],
) -> None:
    """The second pass; the random state goes on from where the loss left it."""
    after = _RandomState(micro_inputs[0])
    for number, (inputs, state, gradient) in enumerate(zip(micro_inputs, states, gradients, strict=True)):
        state.restore()
        with no_sync() if number < len(micro_inputs) - 1 else nullcontext():
            forward(*inputs).backward(gradient)  # type: ignore[no-untyped-call]
    after.restore()


def _detached(parts: Parts) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in parts.items()}


class _RandomState:
    """torch's random state where the inputs are, now."""

    def __init__(self, inputs: Inputs) -> None:
        self._device = next((one.device for one in inputs if isinstance(one, Tensor) and one.is_cuda), None)
        self._cpu = torch.get_rng_state()
        self._cuda = None if self._device is None else torch.cuda.get_rng_state(self._device)

    def restore(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._cuda is not None and self._device is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)
