"""Machines at fault, for the tests: substitutes that a driver in a process of its own takes before it runs `deglu`.

A machine is faulty where DEGLU_TEST_FAULT names a file; the file says at what.  No machine here has a GPU: a worker
that has taken a logical one computes on the CPU.
"""

import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from embed.tables import FailureRow, LedgerRow
from jobs import __main__
from jobs.cluster import handshake
from jobs.cluster.machines import Machines, NoMachineLeft
from jobs.cluster.ray_session import ray_session
from jobs.embedding import embed_archive, isolate, run_units
from jobs.embedding.encode_worker import EncodeWorker
from tests.jobs.embedding.light_worker import LightEncodeWorker

FAULT = "DEGLU_TEST_FAULT"
START, COMMIT, IMPORT, OTHER = "start", "commit", "import", "other"
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
    return FAULT in os.environ and Path(os.environ[FAULT]).read_text().partition("\n")[0] == at


def other(name: str, there: str) -> str:
    """The fault of a machine where a path, or a version, is another one than the driver's."""
    return f"{OTHER}\n{name}\n{there}"


def check_there(terms: handshake.Terms) -> None:
    """The handshake; on a faulty machine, of what is there in the place of the driver's."""
    if is_faulty(OTHER):
        _, name, there = Path(os.environ[FAULT]).read_text().split("\n")
        terms = replace(
            terms,
            weights=tuple(replace(one, name=one.name.replace(name, there)) for one in terms.weights),
            files=tuple(replace(one, url=one.url.replace(name, there)) for one in terms.files),
            folders=tuple((field, url.replace(name, there)) for field, url in terms.folders),
            place=there,
            installed=terms.installed.replace(name, there),
        )
    handshake.check(terms)


def ask_for_each(faults: Path, terms: handshake.Terms, kinds: Sequence[str]) -> None:
    """A driver that asks the machines of the cluster once for each kind of fault, and prints what it notes."""

    def note(text: str) -> None:
        sys.stdout.write(f"{text}\n")

    with ray_session():
        for kind in kinds:
            faults.write_text(kind)
            try:
                Machines(partial(check_there, terms), note).probe_new()
            except NoMachineLeft as error:
                note(str(error))
            note("---")


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


class LightOnAFullDisk(OnAFullDisk, LightEncodeWorker):
    """The same without torch."""


def with_logical_gpus(worker: type[EncodeWorker] = OnAFullDisk) -> None:
    """A driver whose workers compute on the CPU."""
    embed_archive.torch_device = lambda gpu: "cpu"
    for module in (run_units, isolate):
        vars(module)["EncodeWorker"] = worker
    vars(run_units)["check"] = check_there
    __main__.main()
