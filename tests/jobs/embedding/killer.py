"""A worker of embedding that poison kills, for the tests of isolation; without torch, as each death starts another."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from embed.encoder import Batch, Fingerprints, FloatArray, Role
from embed.model.handle import resolve_model
from embed.stages import Stage
from jobs.embedding.encode_worker import EncodeWorker

POISON = b"poison"


class OneAxis:
    """An encoder of a model's space that gives every text the first axis."""

    precision = "float32"
    longest_s = None

    def __init__(self, dims: tuple[int, ...], fingerprints: Fingerprints) -> None:
        self.dims, self.fingerprints = dims, fingerprints

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        return np.eye(1, self.dims[0], dtype=np.float32).repeat(len(batch), axis=0)


class Killer(EncodeWorker):
    """Dies of poison, like a worker whose decoder crashes at one place of a file."""

    def _load(self) -> None:
        model, stage = resolve_model(self._order.model), self._order.stage()

        def run(units: pa.Table) -> pa.Table:
            for unit in units.to_pylist():
                if unit["format"] == "txt" and POISON in Path(unit["url"]).read_bytes()[unit["start"] : unit["end"]]:
                    os._exit(1)
            return stage.run(units)

        encoder: Any = OneAxis(model.spec.dims, model.fingerprints)
        self._encoder = encoder
        self._cut = Stage(run)
