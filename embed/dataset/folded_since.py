"""Units that were folded since a run was planned: staging holds them no more, and the plan does not know of it.

A long run folds what is staged on its way, and so does another on the same output.  Its workers learn of that by one
small request: is there an entry after the last that they know?
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
    """The end of the log at one moment: the number of the newest entry, and the ledger's files."""

    number: int
    ledger: frozenset[str]


def log_end(job: Job) -> LogEnd:
    """To be asked before `committed`: what is folded in between is known twice then, not never."""
    base = head(job.url)
    return LogEnd(base.number, frozenset(ref.name for ref in base.ledger)) if base else LogEnd(0, frozenset())


class FoldedSince:
    """Looks at the log from one end on.

    Where the ledger is written anew, what it held before counts as well: it was not planned, but by a retry.
    """

    def __init__(self, job: Job, end: LogEnd) -> None:
        self._job, self._number, self._before = job, end.number, end.ledger
        self._ids: dict[str, pa.ChunkedArray] = {}  # by the ledger's files

    def holds(self, unit_ids: Iterable[bytes]) -> set[bytes]:
        """Which of these the log holds.  Ask after `staged_of`: units go from there to the ledger, never back."""
        wanted = pa.array(unit_ids, ID)
        if len(wanted):
            self._catch_up()
        found = (ids.filter(pc.is_in(ids, value_set=wanted)).to_pylist() for ids in self._ids.values())
        return {unit for some in found for unit in some}

    def _catch_up(self) -> None:
        if not exists(entry_url(self._job.url, self._number + 1)):
            return
        base = head(self._job.url)
        if base is None or base.job != self._job.number:
            return  # another job took over: whoever publishes is told
        new = [ref for ref in base.ledger if ref.name not in self._before]
        try:
            self._ids = {ref.name: self._ids.get(ref.name) or _ids(self._job, ref) for ref in new}
        except InputError:  # purged meanwhile: the entry that did it is read next time
            return
        self._number = base.number


def _ids(job: Job, ref: FileRef) -> pa.ChunkedArray:
    return read_table(job.url, ref, ["unit_id"])["unit_id"]
