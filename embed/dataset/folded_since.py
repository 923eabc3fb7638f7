"""Units folded since a run was planned: they are no longer in staging, and the plan does not know it.

A long run folds staged units while it runs, and so may another run on the same output.  Its workers detect this by one
small request: is there an entry after the last one they know?
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from embed.dataset.job import Job
from embed.dataset.log import head
from embed.dataset.version import FileRef, read_table
from embed.errors import InputError
from embed.storage.numbered_log import entry_url
from embed.storage.store import exists
from embed.tables import ID


@dataclass(frozen=True)
class LogEnd:
    """State of the log at one time: the number of the newest entry, and the ledger's files."""

    number: int
    ledger: frozenset[str]


def log_end(job: Job) -> LogEnd:
    """Call it before `committed`: units folded in between are then found twice, never missed."""
    base = head(job.url)
    return LogEnd(base.number, frozenset(ref.name for ref in base.ledger)) if base else LogEnd(0, frozenset())


class FoldedSince:
    """Units in entries of the log after `end`.

    Where the ledger is rewritten, its earlier units count too: only a retry has planned them.
    """

    def __init__(self, job: Job, end: LogEnd) -> None:
        self._job, self._number, self._before = job, end.number, end.ledger
        self._ids: dict[str, pa.ChunkedArray] = {}  # by name of the ledger's files

    def holds(self, unit_ids: Iterable[bytes]) -> set[bytes]:
        """Those of the units that the log has.  Call it after `staged_of`: units move from staging to the ledger."""
        asked = pa.array(unit_ids, ID)
        if len(asked):
            self._catch_up()
        found = (ids.filter(pc.is_in(ids, value_set=asked)).to_pylist() for ids in self._ids.values())
        return {unit for some in found for unit in some}

    def _catch_up(self) -> None:
        if not exists(entry_url(self._job.url, self._number + 1)):
            return
        base = head(self._job.url)
        if base is None or base.job != self._job.number:
            return  # a later job uses the output: publishing raises the error
        new = [ref for ref in base.ledger if ref.name not in self._before]
        try:
            self._ids = {ref.name: self._ids.get(ref.name) or _ids(self._job, ref) for ref in new}
        except InputError:  # purged meanwhile: the entry of the purge is read next time
            return
        self._number = base.number


def _ids(job: Job, ref: FileRef) -> pa.ChunkedArray:
    return read_table(job.url, ref, ["unit_id"])["unit_id"]
