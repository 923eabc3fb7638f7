"""Worker of embedding: a Ray actor that loads the model once, encodes units and commits them.

A unit is marked before it starts and committed when it is finished.  Ray restarts a killed worker with the same units
and does not report which of them killed it: the markers do, and a unit that was started too often is left to
`jobs.embedding.isolate`.

A worker whose machine is at fault (no GPU for torch, other weights, a full disk) starts no unit: it leaves them all to
other machines, and reports the fault to the driver, which gives the machine up.
"""

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

import pyarrow as pa
import ray

from embed import tables
from embed.dataset.folded_since import FoldedSince, LogEnd
from embed.dataset.job import Job
from embed.dataset.staging import commit_unit, forgive_attempts, mark_attempts, staged_of
from embed.fingerprints.peaks import Peaks
from embed.machine import MachineFault, machine_fault
from embed.model.folder import read_spec
from embed.model.handle import resolve_model
from embed.model.spec import Precision
from embed.repeats.kept import keep_print
from embed.segmentation.rules import Cutting
from embed.segmentation.tokens import words_of
from embed.stages import EncodeUnits, Stage, cut_stage
from embed.tables import CutUnit, FailureRow, LedgerRow, ledger_row
from jobs.cluster.attempts import ATTEMPTS, Attempts
from jobs.cluster.handshake import NO_GPU, Terms, check, check_once
from jobs.cluster.machines import Fault, cause_and_cure

ELSEWHERE = "elsewhere"  # outcome of a unit that another driver has committed meanwhile
LEFT = "left"  # outcome of a unit that a machine at fault leaves to others

# A worker's report of each unit to its driver: the ledger row, and what progress and reports need.
OUTCOMES = pa.schema(
    [*tables.LEDGER, pa.field("uri", pa.string()), pa.field("modality", pa.string()), pa.field("start", pa.int64()),
     pa.field("planned", pa.int64()), pa.field("precision", pa.string()),
     pa.field("note", pa.string()), pa.field("fault", pa.string())]
)  # fmt: skip

_since: dict[tuple[str, int, LogEnd], FoldedSince] = {}  # for the life of the process, which runs many tasks


@dataclass(frozen=True)
class WorkOrder:
    """Settings of a worker; small, and sent to each."""

    job: Job
    model: str
    cutting: Cutting
    precision: Precision
    gpu: bool  # each worker takes one of Ray's
    ahead: bool  # units arrive cut already
    stall_s: float
    planned: LogEnd | None = None  # units folded since then are skipped; None where committed units run again
    attempts: Attempts = ATTEMPTS
    device: str = "cpu"  # where torch computes
    terms: Terms = field(default_factory=Terms)
    compiled: bool = False  # the towers, by torch

    @property
    def starts(self) -> int:
        """Starts of a unit, before it is suspected of killing its worker."""
        return self.attempts.starts_ahead if self.ahead else self.attempts.starts

    def stage(self) -> Stage:
        return cut_stage(self.cutting, words_of(read_spec(self.model).text.name))


def cut_ahead(order: WorkOrder) -> Any:
    """UNITS to CUTS by tasks, before the actors: marked here too, since damaged files crash decoders."""

    def run(units: pa.Table) -> pa.Table:
        check_once(order.terms)
        with time_limit(order.stall_s):
            units, _ = startable(order, units)
            return order.stage().run(units) if units.num_rows else tables.CUTS.empty_table()

    return run


class EncodeWorker:
    """UNITS (or CUTS, where they are cut ahead) to OUTCOMES; each unit's rows and failures are committed on the way."""

    def __init__(self, order: WorkOrder) -> None:
        self._order = order
        self._fault: Fault | None = None
        self._cut: Stage | None = None
        self._reported = 0  # halvings of the budget that the driver knows of
        try:
            self._load()
        except Exception as error:
            self._fault = Fault.here(cause_and_cure(error))

    def __call__(self, units: pa.Table) -> pa.Table:
        if self._fault is None:
            try:
                return self._outcomes(units)
            except Exception as error:
                self._fault = _fault_or_raise(error)
        return left(self._order, units, self._fault)

    def piece(self, units: pa.Table) -> list[tuple[pa.Table, LedgerRow, list[FailureRow]]]:
        """Rows, ledger row and failures of each unit, or part of one, not committed: for `jobs.embedding.isolate`."""
        found: list[tuple[pa.Table, LedgerRow, list[FailureRow]]] = []
        try:
            with time_limit(self._order.stall_s):
                take = EncodeUnits(self._encoder, lambda rows, ledger, failures: found.append((rows, ledger, failures)))
                take(self._stage().run(units))
        except Exception as error:
            self._fault = _fault_or_raise(error)
        return found

    def fault(self) -> Fault | None:
        """Why this worker can do nothing; None where it works."""
        return self._fault

    def _load(self) -> None:
        import torch  # here, since drivers, and tasks that cut and fold, import this module and need no torch

        from embed.model.weights import load_model

        order = self._order
        check(order.terms)  # here too: this machine may have joined after all were asked
        if order.device == "cuda" and not torch.cuda.is_available():
            raise MachineFault(NO_GPU)
        cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
        torch.set_num_threads(max(1, int(cpus)))
        self._encoder = load_model(resolve_model(order.model), order.device, order.precision, compiled=order.compiled)
        self._cut = None if order.ahead else order.stage()

    def _outcomes(self, units: pa.Table) -> pa.Table:
        with time_limit(self._order.stall_s):
            todo, done = startable(self._order, units)
            ledgers = EncodeUnits(self._encoder, self._commit, self._keep)(self._cut_units(todo))
        precision = self._encoder.precision
        mine = outcomes(todo, ledgers, precision, self._note())
        return pa.concat_tables([outcomes(done, _without_rows(done, ELSEWHERE), precision), mine])

    def _stage(self) -> Stage:
        return self._cut or self._order.stage()

    def _cut_units(self, units: pa.Table) -> pa.Table:
        return self._cut.run(units) if self._cut else units

    def _commit(self, rows: pa.Table, ledger: LedgerRow, failures: list[FailureRow]) -> None:
        commit_unit(self._order.job, rows, ledger, pa.Table.from_pylist(failures, schema=tables.FAILURES))

    def _keep(self, unit: CutUnit) -> None:
        if (data := unit.get("print")) is not None:
            keep_print(self._order.job.url, unit["unit_id"], unit["asset_id"], Peaks.unpacked(data))

    def _note(self) -> str | None:
        halvings = int(getattr(self._encoder, "budget_halvings", 0))
        reported, self._reported = self._reported, halvings
        if halvings == reported:
            return None
        return f"out of memory on the accelerator: batches are 1/{2**halvings} of their size from now on"


def startable(order: WorkOrder, units: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The units to start now, marked as started; and those that are committed already."""
    ids = units["unit_id"].to_pylist()
    committed = staged_of(order.job, ids)
    committed |= _folded(order, [unit for unit in ids if unit not in committed])
    done = pa.array([unit in committed for unit in ids], pa.bool_())
    todo = units.filter(pa.compute.invert(done))
    # The counts include this start: a unit is suspect once it had used up its starts before.
    counts = mark_attempts(order.job, todo["unit_id"].to_pylist())
    fresh = pa.array([counts[unit] <= order.starts for unit in todo["unit_id"].to_pylist()], pa.bool_())
    return todo.filter(fresh), units.filter(done)


def _folded(order: WorkOrder, unit_ids: list[bytes]) -> set[bytes]:
    """Those that were folded into a version or draft since the run was planned, and are in staging no more."""
    if order.planned is None:
        return set()
    key = order.job.url, order.job.number, order.planned
    if key not in _since:
        _since[key] = FoldedSince(order.job, order.planned)
    return _since[key].holds(unit_ids)


def left(order: WorkOrder, units: pa.Table, fault: Fault) -> pa.Table:
    """OUTCOMES of units that are left to other machines; their starts on this one are forgiven."""
    forgive_attempts(order.job, units["unit_id"].to_pylist())
    return outcomes(units, _without_rows(units, LEFT), "", fault=fault)


def outcomes(
    units: pa.Table, ledgers: pa.Table, precision: str, note: str | None = None, fault: Fault | None = None
) -> pa.Table:
    """OUTCOMES of units and their ledger rows, both in one order; the note is added to the first row."""
    more = {name: units[name].combine_chunks() for name in ("uri", "modality", "start", "planned")}
    more["precision"] = pa.repeat(pa.scalar(precision), units.num_rows)
    more["note"] = pa.array([note, *[None] * (units.num_rows - 1)][: units.num_rows], pa.string())
    more["fault"] = pa.array([fault and fault.to_json()] * units.num_rows, pa.string())
    for name, column in more.items():
        ledgers = ledgers.append_column(OUTCOMES.field(name), column)
    return ledgers.cast(OUTCOMES)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """A worker that hangs in this block prints its traceback and exits: Ray starts another; the unit has used one try.

    The timer is a C thread, since a native library that hangs may hold the interpreter's lock.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=_stderr())
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _stderr() -> TextIO:
    return sys.__stderr__ if sys.__stderr__ is not None else sys.stderr


def _without_rows(units: pa.Table, outcome: str) -> pa.Table:
    """LEDGER of units that this worker did not embed."""
    ids = units.select(["unit_id", "asset_id", "content_version"]).to_pylist()
    return pa.Table.from_pylist([ledger_row(unit, outcome) for unit in ids], schema=tables.LEDGER)


def _fault_or_raise(error: Exception) -> Fault:
    """The machine's fault; any other error is raised again."""
    cause = machine_fault(error)
    if cause is None:
        raise error
    return Fault.here(cause)
