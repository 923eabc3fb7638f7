"""Linear layers with weights in oneDNN's order, reordered once instead of at every call.

Measured on one core of an EPYC with AVX-512 (2026-11-22): float32 230 instead of 99 Gflop/s, since torch gives
float32 to a library that is slow on AMD; bfloat16 460 instead of 440.  The products are the same except for rounding.
For inference only: there are no gradients.
"""

import torch
from torch import Tensor, nn

ROWS = 512  # the layout's preferred number of rows; any number is correct


class PackedLinear(nn.Module):
    """As `nn.Linear` on a CPU, with the same weights."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())
        # Not a buffer: it has no strides, so it cannot be saved or moved.
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)

    @property
    def weight(self) -> Tensor:
        """A plain copy [out, in], for towers that read the weights of a layer instead of calling it."""
        plain: Tensor = self._packed.to_dense()
        return plain

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self.bias, "none", [], "")
        return out


def pack(module: nn.Module) -> None:
    """Replace every linear layer inside by a PackedLinear, where this torch and processor support it."""
    if not (torch._C._has_mkldnn and torch.cpu._is_avx512_supported()):
        return
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:  # not a library's subclass: an adapter, a quantised layer
                setattr(parent, name, PackedLinear(child))
