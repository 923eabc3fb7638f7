"""Runs of `deglu embed` as storage tells of them: what each had before it, how far it is, when it was last seen.

    OUT/runs/<id>.json        rewritten every few seconds while the run lives
    OUT/plans/<id>.parquet    MANIFEST of what it set out to embed

Progress and `deglu status` read the same numbers here, also when the cluster is gone.
"""

import os
import secrets
import socket
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embed.amount import Amount
from embed.errors import InputError
from embed.store import join, listing, read_bytes, write_bytes

State = Literal["listing", "embedding", "publishing", "complete", "stopped", "failed", "interrupted"]
ENDED = ("complete", "stopped", "failed", "interrupted")
SEEN_EVERY_S = 15.0
LOST_AFTER_S = 90.0  # a run that lives was seen since


class Run(BaseModel):
    """One run of one driver.  Replaced as a whole, never read back by its writer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    job: int = 0  # number of the job (see `embed.job`)
    state: State = "listing"
    started: str
    seen: str
    host: str
    workers: int
    device: str = "cpu"
    precision: str = "float32"
    assets: int = 0
    plan: str | None = None  # file name of the MANIFEST it works on, below the dataset's url
    planned: Amount = Field(default_factory=Amount)  # all units of the plan, done or not
    before: Amount = Field(default_factory=Amount)  # of these, committed when it began
    done: Amount = Field(default_factory=Amount)  # committed by this run
    failures: int = 0
    restarts: int = 0  # of workers that died
    last_unit: str | None = None  # when a unit was last committed
    slow: tuple[str, ...] = ()  # uris in hand while nothing was committed for long
    note: str = ""  # why it ended, where that is not plain


def begin_run(workers: int) -> Run:
    now = moment()
    stamp = now.replace("-", "").replace(":", "").partition("+")[0]
    host = f"{socket.gethostname()}:{os.getpid()}"
    return Run(id=f"{stamp}-{secrets.token_hex(4)}", started=now, seen=now, host=host, workers=workers)


def write_run(url: str, run: Run) -> None:
    write_bytes(join(url, "runs", f"{run.id}.json"), run.model_dump_json(indent=1).encode())


def newest_runs(url: str, count: int = 1) -> list[Run]:
    """The runs that began last, newest first; what is damaged or gone meanwhile is left out."""
    found: list[Run] = []
    for entry in reversed(listing(join(url, "runs"), ".json")):
        if len(found) == count:
            break
        try:
            found.append(Run.model_validate_json(read_bytes(entry.url)))
        except (ValidationError, InputError):
            continue
    return found


def is_alive(run: Run) -> bool:
    """Whether its driver was seen lately and has not said that it ended."""
    age = datetime.now(UTC) - datetime.fromisoformat(run.seen)
    return run.state not in ENDED and age.total_seconds() < LOST_AFTER_S


def moment() -> str:
    """Now, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
