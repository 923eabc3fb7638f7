"""A worker of embedding that poison kills, for the tests of isolation; without torch, as each death starts another."""

import os
from pathlib import Path

import pyarrow as pa

from embed.stages import Stage
from tests.jobs.embedding.light_worker import LightEncodeWorker

POISON = b"poison"


class Killer(LightEncodeWorker):
    """Dies of poison, like a worker whose decoder crashes at one place of a file."""

    def _load(self) -> None:
        super()._load()
        stage = self._order.stage()

        def run(units: pa.Table) -> pa.Table:
            for unit in units.to_pylist():
                if unit["format"] == "txt" and POISON in Path(unit["url"]).read_bytes()[unit["start"] : unit["end"]]:
                    os._exit(1)
            return stage.run(units)

        self._cut = Stage(run)
