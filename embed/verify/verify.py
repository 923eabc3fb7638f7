"""Verification of a version: every file, unit, second and vector that it names, by reading storage alone.

`checks` has what must hold, `scan` reads the data files once, `traces` looks in all other files; here all of it is
read, judged in order, and given the names of files and places.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from embed.check import Check, Problem, many, many_files, problems_of, tried
from embed.dataset import VectorsDataset
from embed.dataset.job import Job, read_job
from embed.dataset.log import read_entry
from embed.dataset.orphans import files_in, orphans
from embed.dataset.version import Version, forgotten_of, read_ledger, read_table, without_tombstoned
from embed.errors import DegluError, InputError
from embed.segmentation.rules import Cutting
from embed.storage.numbered_log import numbers
from embed.storage.store import Entry, join
from embed.verify import checks
from embed.verify.scan import Scan, at_hand, check_file, scan
from embed.verify.traces import Traces, traces

COMPACTED = re.compile(r"compacted; version (\d+)")  # as embed.dataset.compaction notes it where an entry was


def verify_version(dataset: VectorsDataset, seen: Callable[[], None] = lambda: None) -> list[Check]:
    """All checks of a version, in the order of reading; `seen` is called after each of its data files.

    What is damaged or missing is a problem, not an error.  Raises StorageError where storage is out of reach.
    """
    read = _Read(dataset, seen)
    found = [tried(name, check) for name, check in _checks(read).items()]
    try:
        return checks.placed(found, read.ledger, read.manifest, read.cutting)
    except DegluError:  # a table is missing, which is reported already
        return found


class _Read:
    """The tables of a version, each read when it is first asked for, and once."""

    def __init__(self, dataset: VectorsDataset, seen: Callable[[], None]) -> None:
        self.dataset, self.info, self.url, self._seen = dataset, dataset.info, dataset.url, seen

    @cached_property
    def job(self) -> Job:
        return read_job(self.url, self.info.job)

    @cached_property
    def cutting(self) -> Cutting:
        return Cutting.of(self.job.defining)

    @cached_property
    def tombstones(self) -> pa.Table:
        return self.dataset.tombstones()

    @cached_property
    def manifest(self) -> pa.Table:
        """MANIFEST without what is tombstoned."""
        table: pa.Table = without_tombstoned(self.dataset.assets(), self.tombstones)
        return table

    @cached_property
    def ledger(self) -> pa.Table:
        """The newest row of every unit, tombstoned ones included."""
        return read_ledger(self.url, self.info)

    @cached_property
    def live(self) -> pa.Table:
        table: pa.Table = without_tombstoned(self.ledger, self.tombstones)
        return table

    @cached_property
    def scan(self) -> Scan:
        return scan(self.dataset, self._seen)

    @cached_property
    def log(self) -> "_Log":
        return _Log.of(self.url)

    @cached_property
    def files(self) -> Mapping[str, Entry]:
        return files_in(self.url)


def _checks(read: _Read) -> dict[str, Callable[[], Check]]:
    info = read.info
    return {
        "log": lambda: _check_log(read),
        "files": lambda: _check_files(read),
        "units": lambda: checks.check_units(read.manifest, read.cutting, read.live),
        "seconds": lambda: checks.check_totals(read.live, info.accounting, info.rows),
        "rows": lambda: checks.check_rows(read.scan, read.live),
        "ids": lambda: checks.check_ids(read.scan),
        "vectors": lambda: checks.check_vectors(read.scan, info.dims[0]),
        "encoder": lambda: checks.check_prints(read.scan, info.space, info.encoder),
        "failures": lambda: checks.check_failures(read_table(read.url, info.failures), read.ledger, read.live),
        "forgotten": lambda: _check_forgotten(read),
        "orphans": lambda: _check_orphans(read),
    }


@dataclass(frozen=True)
class _Log:
    """The log of versions, read as a whole."""

    taken: list[int]
    kept: dict[int, Version]
    removed: dict[int, str]  # why, of entries that were
    damaged: list[str]

    @classmethod
    def of(cls, url: str) -> "_Log":
        log = cls(numbers(url), {}, {}, [])
        for number in log.taken:
            try:
                log.kept[number] = read_entry(url, number)
            except InputError as error:
                log.removed[number] = str(error)
            except DegluError as error:
                log.damaged.append(str(error))
        return log

    def compactions(self) -> set[int]:
        """Numbers of the versions that a compaction has made."""
        return {int(found[1]) for why in self.removed.values() if (found := COMPACTED.search(why))}


def _check_log(read: _Read) -> Check:
    """Each entry has all numbers before it as its base; the newest names as readable what can be read."""
    log = read.log
    problems = [*log.damaged]
    problems += [f"entry {number} is missing from the log" for number in _gaps(log.taken)]
    newest = log.kept.get(log.taken[-1]) if log.taken else None
    for number in newest.readable() if newest else ():
        entry = log.kept.get(number)
        if entry is None or not entry.complete:
            problems.append(f"version {number} is told to be readable, and is not there")
    for number, entry in log.kept.items():
        if entry.number != number:
            problems.append(f"entry {number} says that it is {entry.number}")
    job, info = read.job, read.info
    if (job.space, job.encoder, job.dims) != (info.space, info.encoder, info.dims):
        problems.append(f"version {info.number} and its job {job.number} differ in encoder or dims")
    complete = sum(entry.complete for entry in log.kept.values())
    figures = f"{many(complete, 'version')}, {many(len(log.kept) - complete, 'draft')}"
    removed = f", {len(log.removed):,} removed" if log.removed else ""
    return Check("log", figures + removed, problems_of(problems))


def _gaps(taken: list[int]) -> list[int]:
    return sorted(set(range(1, taken[-1] + 1)) - set(taken)) if taken else []


def _check_files(read: _Read) -> Check:
    """Every file of the version byte by byte; those of the other readable versions by name and size."""
    own, size = {ref.name for ref in read.info.files()}, 0
    wrong: list[str] = []
    for ref in read.info.files():
        if ref not in read.info.data:
            size += ref.size_bytes
            try:
                with at_hand(join(read.url, ref.name)) as path:
                    wrong += check_file(path, ref)
            except InputError:
                wrong.append(f"{ref.name}: missing")
    try:
        wrong, size = [*read.scan.files_wrong, *wrong], size + read.scan.size_bytes
    except InputError as error:
        wrong.append(f"data files not checked: {error}")
    for number, entry in read.log.kept.items():
        for ref in entry.files() if entry.complete else ():
            there = read.files.get(ref.name)
            if ref.name not in own and (there is None or there.size_bytes != ref.size_bytes):
                wrong.append(f"{ref.name} of version {number}: {'missing' if there is None else 'of another size'}")
    figures = f"{many_files(len(own), size)}, each of the size and sha256 that the version names"
    return Check("files", figures, problems_of(wrong))


def _check_forgotten(read: _Read) -> Check:
    """Rows of forgotten assets: none, once a compaction has purged them; else it is said where they are."""
    assets = forgotten_of(read.tombstones)
    if not len(assets):
        return Check("forgotten", "no asset was forgotten")
    found = traces(read.url, assets)
    rows = sum(found.holding.values())
    if not found.holding and not found.naming:
        return Check("forgotten", f"{many(len(assets), 'asset')}: 0 rows in any file of any version: purged")
    where = f"{many(rows, 'row')} in {many(len(found.holding), 'file')}, {many(len(found.naming), 'list')} of names"
    problems = tuple(_left_behind(read, found)) if _is_purged(read, assets) else ()
    cure = "" if problems else f"; deglu forget {read.url} --compact purges them"
    return Check("forgotten", f"{many(len(assets), 'asset')}: {where}{cure}", problems)


def _is_purged(read: _Read, assets: pa.Array) -> bool:
    """Whether a compaction that knew of all these assets claims to have purged them."""
    claims = [read.log.kept[number] for number in read.log.compactions() if number in read.log.kept]
    known = [set(forgotten_of(read_table(read.url, one.tombstones)).to_pylist()) for one in claims]
    return any(set(assets.to_pylist()) <= ids for ids in known)


def _left_behind(read: _Read, found: Traces) -> Iterator[Problem]:
    cure = f"purge again: deglu forget {read.url} --compact"
    for name, rows in found.holding.items():
        yield Problem(f"{name}: {many(rows, 'row')} of forgotten assets, though they were purged; {cure}")
    for name in found.naming:
        yield Problem(f"{name}: names forgotten assets, though they were purged; {cure}")


def _check_orphans(read: _Read) -> Check:
    """A note, no problem: a run that lives may be about to publish them."""
    left = orphans(read.files, read.log.kept.values())
    size = sum(read.files[name].size_bytes for name in left)
    return Check("orphans", f"{many_files(len(left), size)}, that no entry names" if left else "none")
