"""Units that kill their worker: each alone in an actor of its own, halved until what kills is small enough to bury.

    whole -> dies twice -> halves -> ... -> a stretch of ten seconds that dies twice: a failure, with its place

What survives is kept: a unit has the same segments however it is narrowed (see `embed.segmentation.units`).  A healthy
unit, started twice because a machine was switched off, comes through here whole.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import ray
import ray.exceptions

from embed import tables
from embed.accounting import EMBEDDED, FAILED, SKIPPED
from embed.dataset.staging import commit_unit, mark_attempts
from jobs.embedding.encode_worker import EncodeWorker, Work, outcomes

DEATHS = 2  # of one piece, until it is halved or buried
LEAST = {"audio": 10_000, "txt": 4_096, "jsonl": 4_096, "csv": 16, "parquet": 16}  # ms, bytes, rows

Row = dict[str, Any]
Part = tuple[pa.Table, Row, list[Row]]  # rows, ledger row, failures


class Died(Exception):
    """The worker that held a piece is gone; says how."""


@dataclass
class Isolation:
    """Workers one after another, each alive until a piece kills it."""

    work: Work
    cpus: float
    gpus: float
    deaths: int = 0
    _actor: Any = field(default=None, repr=False)

    def __call__(self, unit: Row) -> Part:
        """The part of a unit.  Raises Died."""
        if self._actor is None:
            remote = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_restarts=0)(EncodeWorker)
            self._actor = remote.remote(self.work)
        try:
            found: list[Part] = ray.get(self._actor.piece.remote(table_of(unit)))
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            self._actor, self.deaths = None, self.deaths + 1
            raise Died(how(error)) from error
        return found[0]

    def close(self) -> None:
        if self._actor is not None:
            ray.kill(self._actor)
            self._actor = None


def embed_alone(work: Work, units: pa.Table, isolation: Isolation, observe: Callable[[pa.Table], None]) -> None:
    """Commit every one of the units, whatever is in them; `observe` gets their OUTCOMES one by one."""
    for unit in units.to_pylist():
        mark_attempts(work.job, [unit["unit_id"]])
        rows, ledger, failures = joined(unit, parts_of(unit, isolation), work)
        commit_unit(work.job, rows, ledger, pa.Table.from_pylist(failures, schema=tables.FAILURES))
        told = pa.Table.from_pylist([ledger], schema=tables.LEDGER)
        observe(outcomes(table_of(unit), told, work.precision))


def parts_of(unit: Row, attempt: Callable[[Row], Part]) -> list[Part]:
    """The parts of a unit that could be embedded, and a failure for each that could not, in order."""
    how = ""
    for _ in range(DEATHS):
        try:
            return [attempt(unit)]
        except Died as death:
            how = str(death)
    pieces = halves(unit)
    if not pieces:
        return [buried(unit, how)]
    return [part for piece in pieces for part in parts_of(piece, attempt)]


def halves(unit: Row) -> list[Row]:
    """Two units of half the span each, or none where it is too small, or cannot be told how large it is."""
    start, length = unit["start"], _length(unit)
    if unit["format"] not in LEAST or length < 2 * LEAST[unit["format"]]:
        return []
    middle, planned = start + length // 2, unit["planned"] // 2
    return [{**unit, "end": middle, "planned": planned}, {**unit, "start": middle, "planned": planned}]


def buried(unit: Row, how: str) -> Part:
    """Nothing but a failure: all of the span is lost."""
    lost_s = _length(unit) / 1000 if unit["modality"] == tables.SPEECH else 0.0
    ledger = {
        **{name: unit[name] for name in ("unit_id", "asset_id", "content_version")},
        "outcome": FAILED, "rows": 0, "decoded_s": lost_s, "embedded_s": 0.0, "not_speech_s": 0.0, "lost_s": lost_s,
    }  # fmt: skip
    failure = {
        **{name: unit[name] for name in ("unit_id", "asset_id", "uri", "start", "end")},
        "stage": "worker",
        "error_class": "WorkerDied",
        "message": f"{unit['url']}: {how}, {DEATHS} times over this span",
        "lost_s": lost_s,
        "attempts": DEATHS,
    }
    return tables.rows(1).empty_table(), ledger, [failure]


def joined(unit: Row, parts: list[Part], work: Work) -> Part:
    """One part of all: what a unit commits."""
    schema = tables.rows(work.job.dims[0])
    rows = [rows.cast(schema) for rows, _, _ in parts if rows.num_rows]
    table = pa.concat_tables(rows) if rows else schema.empty_table()
    failures = [failure for _, _, some in parts for failure in some]
    ledger = {
        **{name: unit[name] for name in ("unit_id", "asset_id", "content_version")},
        "outcome": EMBEDDED if table.num_rows else FAILED if failures else SKIPPED,
        "rows": table.num_rows,
        **{name: sum(one[name] for _, one, _ in parts) for name in
           ("decoded_s", "embedded_s", "not_speech_s", "lost_s")},
    }  # fmt: skip
    return table, ledger, failures


def how(error: Exception) -> str:
    """In words for people: what Ray says of a death is a page."""
    told = str(error).lower()
    if "out of memory" in told or "oom" in told or isinstance(error, ray.exceptions.OutOfMemoryError):
        return "the worker was killed for want of memory"
    return "the worker died (a crash in a native library, a hang, or a kill)"


def table_of(unit: Row) -> pa.Table:
    return pa.Table.from_pylist([unit], schema=tables.UNITS)


def _length(unit: Row) -> int:
    """Of the span, in its own measure; by what was planned where it runs to the end."""
    if unit["end"] is not None:
        return int(unit["end"] - unit["start"])
    return int(unit["planned"]) if unit["format"] not in ("csv", "parquet") else 0
