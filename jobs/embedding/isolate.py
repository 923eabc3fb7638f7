"""Isolation of units that crash their worker: bisected until the part that does is small enough to record as failed.

    whole -> crashes twice -> halves -> ... -> a span of ten seconds that crashes twice: a failure, with its place

Each unit has an actor to itself.  Parts that do not crash are kept: a unit has the same segments however it is
narrowed (see `embed.segmentation.units`).  A healthy unit, started twice because a machine was switched off, is
embedded whole.  After a unit that crashed, the rest return to the normal run with their starts forgiven: they are
suspect only because they ran next to it.  A worker that cannot start counts against its machine, never a unit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import ray
import ray.exceptions

from embed import tables
from embed.accounting import EMBEDDED, FAILED, SKIPPED
from embed.dataset.staging import commit_unit, forgive_attempts
from embed.tables import FailureRow, LedgerRow, Unit, failure_row, ledger_row
from jobs.cluster.machines import Machines
from jobs.embedding.encode_worker import EncodeWorker, WorkOrder, outcomes

LEAST = {"audio": 10_000, "txt": 4_096, "jsonl": 4_096, "csv": 16, "parquet": 16}  # ms, bytes, rows

Part = tuple[pa.Table, LedgerRow, list[FailureRow]]  # rows, ledger row, failures


class WorkerDied(Exception):
    """The worker of a piece died; the message has the cause."""


@dataclass
class Isolation:
    """One worker at a time; after a piece has killed it, the next piece starts another."""

    order: WorkOrder
    machines: Machines
    cpus: float
    gpus: float
    deaths: int = 0
    _actor: Any = field(default=None, repr=False)

    def __call__(self, unit: Unit) -> Part:
        """The part of a unit.  Raises WorkerDied; NoMachineLeft, or Ray's error, where no worker can start."""
        while True:
            worker = self._worker()
            try:
                found: list[Part] = ray.get(worker.piece.remote(table_of(unit)))
            except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
                self._actor = None
                if self.machines.probe_again():
                    continue
                self.deaths += 1
                raise WorkerDied(cause_of(error)) from error
            if found:
                return found[0]

    def close(self) -> None:
        if self._actor is not None:
            ray.kill(self._actor)
            self._actor = None

    def _worker(self) -> Any:
        """A worker that has started, on a machine that is not at fault."""
        starts = 0
        while True:
            starts += 1
            try:
                self._actor = self._actor or self._new()
                fault = ray.get(self._actor.fault.remote())
            except ray.exceptions.RayActorError:
                self._actor = None
                if not self.machines.probe_again() and starts >= self.order.attempts.fruitless_passes:
                    raise
                continue
            if fault is None:
                return self._actor
            self.close()
            self.machines.give_up(fault)

    def _new(self) -> Any:
        worker = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_restarts=0)(EncodeWorker)
        return worker.options(**self.machines.options()).remote(self.order)


def embed_alone(order: WorkOrder, units: pa.Table, isolation: Isolation, observe: Callable[[pa.Table], None]) -> None:
    """Commit units, with a failure for each part that crashes, until one has crashed; the rest are forgiven.

    `observe` gets their OUTCOMES one by one.
    """
    rest: list[Unit] = units.to_pylist()
    while rest:
        unit, before = rest.pop(0), isolation.deaths
        rows, ledger, failures = joined(unit, parts_of(unit, isolation, order.attempts.piece_deaths), order)
        commit_unit(order.job, rows, ledger, pa.Table.from_pylist(failures, schema=tables.FAILURES))
        if isolation.deaths > before:
            forgive_attempts(order.job, [one["unit_id"] for one in rest])
            rest = []
        row = pa.Table.from_pylist([ledger], schema=tables.LEDGER)
        observe(outcomes(table_of(unit), row, order.precision))


def parts_of(unit: Unit, attempt: Callable[[Unit], Part], deaths: int) -> list[Part]:
    """The parts of a unit that could be embedded, and a failure for each that could not, in order."""
    cause = ""
    for _ in range(deaths):
        try:
            return [attempt(unit)]
        except WorkerDied as death:
            cause = str(death)
    pieces = halves(unit)
    if not pieces:
        return [failed_part(unit, cause, deaths)]
    return [part for piece in pieces for part in parts_of(piece, attempt, deaths)]


def halves(unit: Unit) -> list[Unit]:
    """Two units of half the span each, or none where it is too small, or of unknown size."""
    start, length = unit["start"], _length(unit)
    if unit["format"] not in LEAST or length < 2 * LEAST[unit["format"]]:
        return []
    middle, planned = start + length // 2, unit["planned"] // 2
    return [{**unit, "end": middle, "planned": planned}, {**unit, "start": middle, "planned": planned}]


def failed_part(unit: Unit, cause: str, deaths: int) -> Part:
    """A failure without rows: all of the span is lost."""
    lost_s = _length(unit) / 1000 if unit["modality"] == tables.SPEECH else 0.0
    message = f"{unit['url']}: {cause}, {deaths} times over this span"
    failure = failure_row(unit, "worker", "WorkerDied", message, lost_s=lost_s, attempts=deaths)
    return tables.rows(1).empty_table(), ledger_row(unit, FAILED, decoded_s=lost_s, lost_s=lost_s), [failure]


def joined(unit: Unit, parts: list[Part], order: WorkOrder) -> Part:
    """All parts of a unit as one, for its commit."""
    schema = tables.rows(order.job.dims[0])
    rows = [rows.cast(schema) for rows, _, _ in parts if rows.num_rows]
    table = pa.concat_tables(rows) if rows else schema.empty_table()
    failures = [failure for _, _, some in parts for failure in some]
    outcome = EMBEDDED if table.num_rows else FAILED if failures else SKIPPED
    ledger = ledger_row(
        unit,
        outcome,
        table.num_rows,
        decoded_s=sum(one["decoded_s"] for _, one, _ in parts),
        embedded_s=sum(one["embedded_s"] for _, one, _ in parts),
        not_speech_s=sum(one["not_speech_s"] for _, one, _ in parts),
        lost_s=sum(one["lost_s"] for _, one, _ in parts),
        reason=next((one["reason"] for _, one, _ in parts if one["reason"]), None) if outcome == SKIPPED else None,
    )
    return table, ledger, failures


def cause_of(error: Exception) -> str:
    """The cause in one line: Ray's own message is a page long."""
    message = str(error).lower()
    if "out of memory" in message or "oom" in message or isinstance(error, ray.exceptions.OutOfMemoryError):
        return "the worker ran out of memory and was killed"
    return "the worker died (a crash in a native library, a hang, or a kill)"


def table_of(unit: Unit) -> pa.Table:
    return pa.Table.from_pylist([unit], schema=tables.UNITS)


def _length(unit: Unit) -> int:
    """Length of the span in ms, bytes or rows; the planned length where the span has no end."""
    if unit["end"] is not None:
        return int(unit["end"] - unit["start"])
    return int(unit["planned"]) if unit["format"] not in ("csv", "parquet") else 0
