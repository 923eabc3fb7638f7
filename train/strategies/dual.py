"""Strategy of the dual encoder: only a head on the speech tower is trained, towards the vectors of the texts.

Data and loss are those of late fusion.  Of independent heads (the paper's) each dim's own output is trained
separately.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from embed.encoder import FloatArray
from embed.errors import SpecError
from embed.model.head import SpeechHead
from train.strategies.late_fusion import LateFusionStrategy


class DualStrategy(LateFusionStrategy):
    """`train.strategy.Strategy` for a model whose speech goes through `head`."""

    def prefixes(self, vectors: Tensor) -> dict[int, FloatArray]:
        return {dim: found.float().numpy() for dim, found in self._head.prefixes(vectors).items()}

    @property
    def _width(self) -> int:
        return sum(self.model.dims) if self._head.spec.independent else self.model.dims[0]

    def _parts(self, vectors: Tensor) -> Iterator[tuple[Tensor, Sequence[int], Sequence[float] | None, float]]:
        if not self._head.spec.independent:
            yield from super()._parts(vectors)
            return
        dims = self.model.dims
        weights = torch.tensor(self.spec.loss.dim_weights or [1.0] * len(dims))
        shares = (weights / weights.sum()).tolist()
        for dim, part, share in zip(dims, torch.split(vectors, list(dims), dim=-1), shares, strict=True):
            yield part, (dim,), None, share

    @property
    def _head(self) -> SpeechHead:
        if self.model.head is None:
            raise SpecError("field 'encoder': strategy dual trains a head; add `head`")
        return self.model.head
