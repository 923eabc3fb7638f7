"""A worker of embedding without torch, for the tests of what surrounds it: a vector is drawn by the digest of its text.

A worker that loads a model takes seconds of a core, and so does each that replaces one that was killed.  The rows are
whole: equal contents have equal vectors, and others have others.
"""

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from embed.encoder import Batch, Fingerprints, FloatArray, Role
from embed.model.handle import resolve_model
from jobs.cluster.handshake import check
from jobs.embedding.encode_worker import EncodeWorker

if TYPE_CHECKING:
    import pytest


class ByDigest:
    """An encoder of a model's space; contents are its seeds."""

    precision = "float32"
    longest_s = None

    def __init__(self, dims: tuple[int, ...], fingerprints: Fingerprints) -> None:
        self.dims, self.fingerprints = dims, fingerprints

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        found = np.array([self._drawn(one) for one in batch], np.float32).reshape(-1, self.dims[0])
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)

    def _drawn(self, content: Any) -> FloatArray:
        key = content.encode() if isinstance(content, str) else np.asarray(content, np.float32).tobytes()
        seed = int.from_bytes(sha256(key).digest(), "little")
        return np.random.default_rng(seed).standard_normal(self.dims[0]).astype(np.float32)


class LightEncodeWorker(EncodeWorker):
    """The product's worker, but for its encoder."""

    def _load(self) -> None:
        check(self._order.terms)
        self._encoder = light_encoder(self._order.model)
        self._cut = None if self._order.ahead else self._order.stage()


def light_encoder(model: str) -> Any:
    found = resolve_model(model)
    return ByDigest(found.spec.dims, found.fingerprints)


def take(worker: type[EncodeWorker], patch: "pytest.MonkeyPatch") -> None:
    """The jobs of this process start such workers."""
    from jobs.embedding import isolate, run_units  # the driver's; workers import this module, too

    for module in (run_units, isolate):
        patch.setattr(module, "EncodeWorker", worker)
