"""The actor of embedding: a model loaded once, units in, commits and their accounting out.

A unit is marked before it is touched and committed when it is done.  Ray starts a killed worker again and hands it
the same units, without naming the one that killed it: the markers do, and a unit that was started TRIES times is
left to `jobs.embedding.isolate`.
"""

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import pyarrow as pa
import ray

from embed import tables
from embed.dataset.folded_since import FoldedSince, LogEnd
from embed.dataset.job import Job
from embed.dataset.staging import commit_unit, mark_attempts, staged_of
from embed.model.folder import read_spec
from embed.model.spec import Precision
from embed.segmentation.rules import Cutting
from embed.segmentation.tokens import words_of
from embed.stages import EncodeUnits, Stage, cut_stage

TRIES = 2  # starts of a unit that was never committed, until it is suspected of killing its worker
TRIES_AHEAD = 3  # where it is cut ahead, both who cuts and who encodes mark it
ELSEWHERE = "elsewhere"  # outcome of a unit that another driver has committed meanwhile

# What a worker tells its driver of each unit: its ledger row, and what progress and reports want.
OUTCOMES = pa.schema(
    [*tables.LEDGER, pa.field("uri", pa.string()), pa.field("modality", pa.string()), pa.field("start", pa.int64()),
     pa.field("planned", pa.int64()), pa.field("precision", pa.string()),
     pa.field("note", pa.string())]
)  # fmt: skip

Row = dict[str, Any]

_since: dict[tuple[str, int, LogEnd], FoldedSince] = {}  # of this process: tasks come and go


@dataclass(frozen=True)
class Work:
    """All that a worker must know; small, and sent to every one of them."""

    job: Job
    model: str
    cutting: Cutting
    precision: Precision
    gpu: bool
    ahead: bool  # units come cut already
    stall_s: float
    planned: LogEnd | None = None  # what was folded since is not done again; a retry does not look

    @property
    def tries(self) -> int:
        return TRIES_AHEAD if self.ahead else TRIES

    def stage(self) -> Stage:
        return cut_stage(self.cutting, words_of(read_spec(self.model).text.name))


def cut_ahead(work: Work) -> Any:
    """UNITS to CUTS by tasks, before the actors: marked here too, since damage kills decoders."""

    def run(units: pa.Table) -> pa.Table:
        with time_limit(work.stall_s):
            units, _ = startable(work, units)
            return work.stage().run(units) if units.num_rows else tables.CUTS.empty_table()

    return run


class EncodeWorker:
    """UNITS (or CUTS, where they are cut ahead) to OUTCOMES; each unit's rows and failures are committed on the way."""

    def __init__(self, work: Work) -> None:
        import torch  # here, since drivers, and tasks that cut and fold, import this module and want none of it

        from embed.model.handle import resolve_model
        from embed.model.weights import load_model

        cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
        torch.set_num_threads(max(1, int(cpus)))
        self._work = work
        self._encoder = load_model(resolve_model(work.model), "cuda" if work.gpu else "cpu", work.precision)
        self._cut = None if work.ahead else work.stage()
        self._told = 0  # halvings of the budget that the driver knows of

    def __call__(self, units: pa.Table) -> pa.Table:
        with time_limit(self._work.stall_s):
            todo, done = startable(self._work, units)
            ledgers = EncodeUnits(self._encoder, self._commit)(self._cut_units(todo))
        precision = self._encoder.precision
        told = outcomes(todo, ledgers, precision, self._note())
        return pa.concat_tables([outcomes(done, _elsewhere(done), precision), told])

    def piece(self, units: pa.Table) -> list[tuple[pa.Table, Row, list[Row]]]:
        """Rows, ledger row and failures of each unit, or part of one, not committed: for `jobs.embedding.isolate`."""
        found: list[tuple[pa.Table, Row, list[Row]]] = []
        with time_limit(self._work.stall_s):
            collect = EncodeUnits(self._encoder, lambda rows, ledger, failures: found.append((rows, ledger, failures)))
            collect(self._stage().run(units))
        return found

    def _stage(self) -> Stage:
        return self._cut or self._work.stage()

    def _cut_units(self, units: pa.Table) -> pa.Table:
        return self._cut.run(units) if self._cut else units

    def _commit(self, rows: pa.Table, ledger: Row, failures: list[Row]) -> None:
        commit_unit(self._work.job, rows, ledger, pa.Table.from_pylist(failures, schema=tables.FAILURES))

    def _note(self) -> str | None:
        halvings = int(getattr(self._encoder, "budget_halvings", 0))
        told, self._told = self._told, halvings
        if halvings == told:
            return None
        return f"out of memory on the accelerator: batches are 1/{2**halvings} of their size from now on"


def startable(work: Work, units: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The units to work on now, marked as started; and those that are committed already."""
    ids = units["unit_id"].to_pylist()
    committed = staged_of(work.job, ids)
    committed |= _folded(work, [unit for unit in ids if unit not in committed])
    done = pa.array([unit in committed for unit in ids], pa.bool_())
    todo = units.filter(pa.compute.invert(done))
    # Counted as marked: a unit is suspect once it has had its tries before this one.
    counts = mark_attempts(work.job, todo["unit_id"].to_pylist())
    fresh = pa.array([counts[unit] <= work.tries for unit in todo["unit_id"].to_pylist()], pa.bool_())
    return todo.filter(fresh), units.filter(done)


def _folded(work: Work, unit_ids: list[bytes]) -> set[bytes]:
    """Which of these a version or draft holds since the run was planned: staging has forgotten them."""
    if work.planned is None:
        return set()
    key = work.job.url, work.job.number, work.planned
    if key not in _since:
        _since[key] = FoldedSince(work.job, work.planned)
    return _since[key].holds(unit_ids)


def outcomes(units: pa.Table, ledgers: pa.Table, precision: str, note: str | None = None) -> pa.Table:
    """OUTCOMES of units and their ledger rows, in one order; the note goes with the first."""
    told = units.select(["uri", "modality", "start", "planned"])
    more = {name: told[name].combine_chunks() for name in told.column_names}
    more["precision"] = pa.repeat(pa.scalar(precision), units.num_rows)
    more["note"] = pa.array([note, *[None] * (units.num_rows - 1)][: units.num_rows], pa.string())
    for name, column in more.items():
        ledgers = ledgers.append_column(OUTCOMES.field(name), column)
    return ledgers.cast(OUTCOMES)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """A worker that hangs in here ends itself, traceback first: Ray starts another, and the unit has one try less.

    By a thread of C, since a native library that hangs may hold the interpreter's lock.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=_stderr())
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _stderr() -> TextIO:
    return sys.__stderr__ if sys.__stderr__ is not None else sys.stderr


def _elsewhere(units: pa.Table) -> pa.Table:
    rows = [
        {**{name: unit[name] for name in ("unit_id", "asset_id", "content_version")}, "outcome": ELSEWHERE, "rows": 0,
         "decoded_s": 0.0, "embedded_s": 0.0, "not_speech_s": 0.0, "lost_s": 0.0}
        for unit in units.select(["unit_id", "asset_id", "content_version"]).to_pylist()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=tables.LEDGER)
