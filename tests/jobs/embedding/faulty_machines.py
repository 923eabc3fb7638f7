"""Machines at fault, for the tests: substitutes that a driver in a process of its own takes before it runs `deglu`.

A machine is faulty where DEGLU_TEST_FAULT names a file; the file says at what.  No machine here has a GPU: a worker
that has taken a logical one computes on the CPU.
"""

import errno
import os
from pathlib import Path

import pyarrow as pa

from embed.tables import FailureRow, LedgerRow
from jobs import __main__
from jobs.embedding import embed_archive, isolate, run_units
from jobs.embedding.encode_worker import EncodeWorker

FAULT = "DEGLU_TEST_FAULT"
START, COMMIT, IMPORT = "start", "commit", "import"
# As `sitecustomize`, on the machine at fault: Deglu is not installed there.
NOT_INSTALLED = f"""
import os, pathlib, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "jobs" and pathlib.Path(os.environ["{FAULT}"]).read_text() == "{IMPORT}":
            raise ModuleNotFoundError("No module named 'jobs'", name="jobs")

sys.meta_path.insert(0, Missing())
"""


def is_faulty(at: str) -> bool:
    return FAULT in os.environ and Path(os.environ[FAULT]).read_text() == at


class OnAFullDisk(EncodeWorker):
    """Finds the disk of a faulty machine full, when it starts or at its first commit."""

    def _load(self) -> None:
        if is_faulty(START):
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._load()

    def _commit(self, rows: pa.Table, ledger: LedgerRow, failures: list[FailureRow]) -> None:
        if is_faulty(COMMIT):
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._commit(rows, ledger, failures)


def with_logical_gpus() -> None:
    """A driver whose workers compute on the CPU."""
    embed_archive.torch_device = lambda gpu: "cpu"
    for module in (run_units, isolate):
        vars(module)["EncodeWorker"] = OnAFullDisk
    __main__.main()
