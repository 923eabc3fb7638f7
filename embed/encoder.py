"""Encoder protocol: models implement it; the index and the jobs use nothing else of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Role = Literal["query", "document"]
Batch = Sequence[str] | Sequence[FloatArray]

SAMPLE_RATE = 16_000
SHORTEST_S = 0.05  # at least one frame after every family's front end; a shorter wave is refused


@dataclass(frozen=True)
class Fingerprints:
    """Identity of an encoder.  Index and query must agree on `space`; speech rows of one dataset on `encoder` too."""

    space: str  # text tower, tokenizer, pooling, document prefix, nesting transform, dims
    encoder: str  # space + speech tower, fusion, all weights


class Encoder(Protocol):
    """Texts and speech to unit vectors in one space."""

    @property
    def dims(self) -> tuple[int, ...]:
        """Declared widths, descending; dims[0] is D.  A prefix of a declared width is valid after renormalising."""

    @property
    def fingerprints(self) -> Fingerprints: ...

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        """float32 [n, D], rows unit length, in the order given.

        The batch is all text, or all speech: 1-d float32 waves at 16 kHz.  A row does not depend on its
        batch mates, their order or number.  `task` is an instruction, for towers that take one.
        """


def truncate(vectors: FloatArray, dim: int) -> FloatArray:
    """The first `dim` values of each row, scaled to unit length again; zero rows stay zero."""
    cut = vectors[..., :dim]
    norms = np.linalg.norm(cut, axis=-1, keepdims=True)
    unit: FloatArray = (cut / np.maximum(norms, np.finfo(np.float32).tiny)).astype(np.float32)
    return unit
