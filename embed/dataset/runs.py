"""Stored runs of `deglu embed`: the plan of each, its progress, and when it was last active.

    OUT/runs/<id>.json        rewritten every few seconds while the run lives
    OUT/plans/<id>.parquet    MANIFEST of the assets to embed
    OUT/passed_over/<id>.parquet  PASSED_OVER: files of the inputs that are no assets

Progress and `deglu status` read the same numbers here, also when the cluster no longer exists.
"""

import io
import logging
import os
import secrets
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embed.amount import Amount
from embed.dataset.version import write_table
from embed.errors import InputError
from embed.storage.names import PlainPath
from embed.storage.store import delete, join, listing, read_bytes, write_bytes
from embed.tables import MANIFEST, PASSED_OVER, manifest_of

State = Literal["listing", "embedding", "publishing", "complete", "stopped", "failed", "interrupted"]
ENDED = ("complete", "stopped", "failed", "interrupted")
SEEN_EVERY_S = 15.0
LOST_AFTER_S = 90.0  # a live run has been active within this time

log = logging.getLogger(__name__)


class Run(BaseModel):
    """One run of one driver.  Replaced as a whole, never read back by its writer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    job: int = 0  # number of the job (see `embed.dataset.job`)
    state: State = "listing"
    started: str
    seen: str
    host: str
    workers: int
    device: str = ""  # known once workers run
    precision: str = ""
    assets: int = 0
    plan: PlainPath | None = None  # file name of the MANIFEST it works on, below the dataset's url
    passed_over: dict[str, int] = Field(default_factory=dict)  # number of files of each kind
    passed_over_list: PlainPath | None = None  # file name of their PASSED_OVER, below the dataset's url
    planned: Amount = Field(default_factory=Amount)  # all units of the plan, done or not
    before: Amount = Field(default_factory=Amount)  # of these, committed when it began
    done: Amount = Field(default_factory=Amount)  # committed by this run
    failures: int = 0
    restarts: int = 0  # of workers that died
    last_unit: str | None = None  # when a unit was last committed
    slow: tuple[str, ...] = ()  # uris of running units while nothing was committed for long
    note: str = ""  # reason of its end, where it is not obvious


def begin_run(workers: int) -> Run:
    now = moment()
    # To the microsecond, so that two runs of the same second have an order.
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    host = f"{socket.gethostname()}:{os.getpid()}"
    return Run(id=f"{stamp}-{secrets.token_hex(4)}", started=now, seen=now, host=host, workers=workers)


def write_run(url: str, run: Run) -> None:
    write_bytes(join(url, "runs", f"{run.id}.json"), run.model_dump_json(indent=1).encode())


def newest_runs(url: str, count: int = 1) -> list[Run]:
    """The runs that began last, newest first; files that are damaged or deleted meanwhile are left out."""
    found: list[Run] = []
    for entry in reversed(listing(join(url, "runs"), ".json")):
        if len(found) == count:
            break
        try:
            found.append(Run.model_validate_json(read_bytes(entry.url)))
        except (ValidationError, InputError):
            continue
    return found


def keep_plan(url: str, assets: pa.Table) -> str:
    """Write the MANIFEST of a run; returns the file's name, for `Run.plan`.  Equal plans share one file."""
    return write_table(url, "plans", assets.select(MANIFEST.names).cast(MANIFEST)).name


def read_plan(url: str, run: Run, columns: Sequence[str] | None = None) -> pa.Table:
    """MANIFEST of a run; empty where it has none yet, or it was deleted or is damaged: the inputs are listed again."""
    names = list(columns or MANIFEST.names)
    try:
        data = read_bytes(join(url, run.plan)) if run.plan else b""
        if data:
            return manifest_of(pq.ParquetFile(io.BytesIO(data)).read(names), names)
    except InputError:
        pass
    except pa.ArrowException:
        log.warning("%s: the plan of run %s is damaged; files are probed again", url, run.id)
    return MANIFEST.empty_table().select(names)


def keep_passed_over(url: str, files: pa.Table) -> str | None:
    """Write PASSED_OVER of a run; returns the file's name, for `Run.passed_over_list`; None for no files."""
    return write_table(url, "passed_over", files).name if files.num_rows else None


def read_passed_over(url: str, run: Run) -> pa.Table:
    """PASSED_OVER of a run.  InputError where its file was deleted."""
    if run.passed_over_list is None:
        return PASSED_OVER.empty_table()
    return pq.read_table(io.BytesIO(read_bytes(join(url, run.passed_over_list))))


def tidy_runs(url: str, keep: int = 30) -> None:
    """Delete all but the newest runs, and the tables that no kept run names."""
    entries = listing(join(url, "runs"), ".json")
    delete(entry.url for entry in entries[:-keep])
    runs = newest_runs(url, keep)
    named = {join(url, name) for run in runs for name in (run.plan, run.passed_over_list) if name}
    # A run that has just begun may have tables that it does not name yet.
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    tables = [entry for folder in ("plans", "passed_over") for entry in listing(join(url, folder), ".parquet")]
    delete(entry.url for entry in tables if entry.url not in named and (entry.mtime or "") < yesterday)


def is_alive(run: Run, now: datetime | None = None) -> bool:
    """Whether its driver was active recently and has not recorded its end."""
    age = (now or datetime.now(UTC)) - datetime.fromisoformat(run.seen)
    return run.state not in ENDED and age.total_seconds() < LOST_AFTER_S and not _is_gone_here(run.host)


def _is_gone_here(host: str) -> bool:
    """Whether the process was on this machine and has ended; for other machines only inactivity shows it."""
    name, _, pid = host.rpartition(":")
    if name != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def moment() -> str:
    """Now, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
