"""Gradient caching, for large batches in little memory: the loss gets all vectors at once, the model a few rows.

The method is that of Gao et al. (2021, arXiv 2101.06983): vectors without a graph, the loss's gradient by vector, then
a second pass of every micro-batch with a graph, from its part of that gradient.  It costs one more forward pass.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

Inputs = Sequence[Any]  # arguments of one call of the model, tensors and others
Parts = Mapping[str, Tensor]  # "loss" is minimised, the other parts are reported


def cached_backward(
    forward: Callable[..., Tensor],
    micro_inputs: Sequence[Inputs],
    loss_of: Callable[[Tensor], Parts],
    no_sync: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> dict[str, Tensor]:
    """Add the loss's gradients to the parameters of `forward` and `loss_of`; returns the parts of the loss, detached.

    `forward(*inputs)` gives [b, ...] of a micro-batch's rows, `loss_of` the loss of all rows in their order.  A single
    micro-batch takes one plain pass.  All backward passes but the last run inside `no_sync()`, as DDP requires.
    The second pass starts from torch's random state of the first, so dropout draws the same.
    """
    if len(micro_inputs) == 1:
        parts = loss_of(forward(*micro_inputs[0]))
        parts["loss"].backward()  # type: ignore[no-untyped-call]
        return _detached(parts)
    parts_of_vectors, states = [], []
    with torch.no_grad():
        for inputs in micro_inputs:
            states.append(_RandomState(inputs))
            parts_of_vectors.append(forward(*inputs))
    vectors = torch.cat(parts_of_vectors).requires_grad_()
    parts = loss_of(vectors)
    parts["loss"].backward()  # type: ignore[no-untyped-call]
    if vectors.grad is None:
        raise ValueError("the loss does not depend on the vectors")
    gradients = torch.split(vectors.grad, [len(one) for one in parts_of_vectors])
    _second_pass(forward, micro_inputs, states, gradients, no_sync)
    return _detached(parts)


def _second_pass(
    forward: Callable[..., Tensor],
    micro_inputs: Sequence[Inputs],
    states: "Sequence[_RandomState]",
    gradients: Sequence[Tensor],
    no_sync: Callable[[], AbstractContextManager[object]],
) -> None:
    """Forward and backward of every micro-batch; afterwards the random state is that after the loss."""
    after = _RandomState(micro_inputs[0])
    for number, (inputs, state, gradient) in enumerate(zip(micro_inputs, states, gradients, strict=True)):
        state.restore()
        with no_sync() if number < len(micro_inputs) - 1 else nullcontext():
            forward(*inputs).backward(gradient)  # type: ignore[no-untyped-call]
    after.restore()


def _detached(parts: Parts) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in parts.items()}


class _RandomState:
    """Current random state of torch, on the CPU and on the device of the inputs."""

    def __init__(self, inputs: Inputs) -> None:
        self._device = next((one.device for one in inputs if isinstance(one, Tensor) and one.is_cuda), None)
        self._cpu = torch.get_rng_state()
        self._cuda = None if self._device is None else torch.cuda.get_rng_state(self._device)

    def restore(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._cuda is not None and self._device is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)
