"""Linear layers whose weights lie in the order in which oneDNN reads them, made once instead of at every call.

Measured on one core of an EPYC with AVX-512 (2026-11-22): float32 230 instead of 99 Gflop/s, since torch leaves
float32 to a library that is slow on AMD; bfloat16 460 instead of 440.  The products are the same but for rounding.
For inference alone: no gradient comes through.
"""

import torch
from torch import Tensor, nn

ROWS = 512  # what the layout is made for; right for any number


class PackedLinear(nn.Module):
    """As `nn.Linear` on a CPU, with the same weights."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())
        # Not a buffer: it has no strides, so that nothing can save or move it.
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
    """Put a PackedLinear in the place of every linear layer inside, where this torch and processor have them."""
    if not (torch._C._has_mkldnn and torch.cpu._is_avx512_supported()):
        return
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:  # not what a library made of it: an adapter, a quantised one
                setattr(parent, name, PackedLinear(child))
