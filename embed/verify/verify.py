"""Verification of a version: every file, unit, second and vector of it, by reading storage only.

`checks` has the conditions, `scan` reads the data files once, `traces` searches all other files; this module reads the
tables, runs the checks in order, and adds the names of files and places.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from shlex import quote

import pyarrow as pa

from embed.check import Check, Problem, problems_of, tried
from embed.dataset import VectorsDataset
from embed.dataset.job import Job, read_job
from embed.dataset.log import read_entry
from embed.dataset.orphans import files_in, orphans
from embed.dataset.version import Version, forgotten_of, read_ledger, read_table, without_tombstoned
from embed.errors import DegluError, InputError
from embed.quantities import many, many_files
from embed.segmentation.rules import Cutting
from embed.storage.numbered_log import numbers
from embed.storage.store import Entry, join
from embed.verify import checks
from embed.verify.scan import Scan, check_file, local_file, scan
from embed.verify.traces import Traces, traces

COMPACTED = re.compile(r"compacted; version (\d+)")  # the note of embed.dataset.compaction in place of an entry


def verify_version(dataset: VectorsDataset, seen: Callable[[], None] = lambda: None) -> list[Check]:
    """All checks of a version, in the order of reading; `seen` is called after each of its data files.

    A damaged or missing file is a problem, not an error.  Raises StorageError where storage cannot be reached.
    """
    read = _Read(dataset, seen)
    found = [tried(name, check) for name, check in _checks(read).items()]
    try:
        return checks.placed(found, read.ledger, read.manifest, read.cutting)
    except DegluError:  # a table is missing; this is reported already
        return found


class _Read:
    """The tables of a version, each read once, at its first use."""

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
        """MANIFEST without tombstoned assets."""
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
        "encoder": lambda: checks.check_fingerprints(read.scan, info.space, info.encoder),
        "failures": lambda: checks.check_failures(read_table(read.url, info.failures), read.ledger, read.live),
        "forgotten": lambda: _check_forgotten(read),
        "orphans": lambda: _check_orphans(read),
    }


@dataclass(frozen=True)
class _Log:
    """The complete log of versions."""

    numbers: list[int]
    kept: dict[int, Version]
    removed: dict[int, str]  # entries that were removed, with the reason
    damaged: list[str]

    @classmethod
    def of(cls, url: str) -> "_Log":
        log = cls(numbers(url), {}, {}, [])
        for number in log.numbers:
            try:
                log.kept[number] = read_entry(url, number)
            except InputError as error:
                log.removed[number] = str(error)
            except DegluError as error:
                log.damaged.append(str(error))
        return log

    def compactions(self) -> set[int]:
        """Numbers of the versions made by compactions."""
        return {int(found[1]) for why in self.removed.values() if (found := COMPACTED.search(why))}


def _check_log(read: _Read) -> Check:
    """The log has all numbers up to the newest; the versions that the newest lists as readable can be read."""
    log = read.log
    problems = [*log.damaged]
    problems += [f"entry {number} is missing from the log" for number in _gaps(log.numbers)]
    newest = log.kept.get(log.numbers[-1]) if log.numbers else None
    for number in newest.readable() if newest else ():
        entry = log.kept.get(number)
        if entry is None or not entry.complete:
            problems.append(f"version {number} is listed as readable, but is missing")
    for number, entry in log.kept.items():
        if entry.number != number:
            problems.append(f"entry {number} has the number {entry.number} inside")
    job, info = read.job, read.info
    if (job.space, job.encoder, job.dims) != (info.space, info.encoder, info.dims):
        problems.append(f"version {info.number} and its job {job.number} differ in encoder or dims")
    complete = sum(entry.complete for entry in log.kept.values())
    figures = f"{many(complete, 'version')}, {many(len(log.kept) - complete, 'draft')}"
    removed = f", {len(log.removed):,} removed" if log.removed else ""
    return Check("log", figures + removed, problems_of(problems))


def _gaps(numbers: list[int]) -> list[int]:
    return sorted(set(range(1, numbers[-1] + 1)) - set(numbers)) if numbers else []


def _check_files(read: _Read) -> Check:
    """Every file of the version, by its bytes; files of the other readable versions, by name and size."""
    own, size = {ref.name for ref in read.info.files()}, 0
    wrong: list[str] = []
    for ref in read.info.files():
        if ref not in read.info.data:
            size += ref.size_bytes
            try:
                with local_file(join(read.url, ref.name)) as path:
                    wrong += check_file(path, ref)
            except InputError:
                wrong.append(f"{ref.name}: missing")
    try:
        wrong, size = [*read.scan.files_wrong, *wrong], size + read.scan.size_bytes
    except InputError as error:
        wrong.append(f"data files not checked: {error}")
    for number, entry in read.log.kept.items():
        for ref in entry.files() if entry.complete else ():
            file = read.files.get(ref.name)
            if ref.name not in own and (file is None or file.size_bytes != ref.size_bytes):
                wrong.append(f"{ref.name} of version {number}: {'missing' if file is None else 'of another size'}")
    figures = f"{many_files(len(own), size)}, each with the size and sha256 in the version"
    return Check("files", figures, problems_of(wrong))


def _check_forgotten(read: _Read) -> Check:
    """Rows of forgotten assets: none after a compaction has purged them; else the files that have them."""
    assets = forgotten_of(read.tombstones)
    if not len(assets):
        return Check("forgotten", "no asset was forgotten")
    found = traces(read.url, assets)
    rows = sum(found.holding.values())
    if not found.holding and not found.naming:
        return Check("forgotten", f"{many(len(assets), 'asset')}: 0 rows in any file of any version: purged")
    where = f"{many(rows, 'row')} in {many(len(found.holding), 'file')}, {many(len(found.naming), 'list')} of names"
    problems = tuple(_left_behind(read, found)) if _is_purged(read, assets) else ()
    cure = "" if problems else f"; `deglu forget {quote(read.url)} --compact` purges them"
    return Check("forgotten", f"{many(len(assets), 'asset')}: {where}{cure}", problems)


def _is_purged(read: _Read, assets: pa.Array) -> bool:
    """Whether a compaction with all these assets forgotten has run."""
    claims = [read.log.kept[number] for number in read.log.compactions() if number in read.log.kept]
    known = [set(forgotten_of(read_table(read.url, one.tombstones)).to_pylist()) for one in claims]
    return any(set(assets.to_pylist()) <= ids for ids in known)


def _left_behind(read: _Read, found: Traces) -> Iterator[Problem]:
    cure = f"purge again: `deglu forget {quote(read.url)} --compact`"
    for name, rows in found.holding.items():
        yield Problem(f"{name}: {many(rows, 'row')} of forgotten assets, although a compaction has purged them; {cure}")
    for name in found.naming:
        yield Problem(f"{name}: has names of forgotten assets, although a compaction has purged them; {cure}")


def _check_orphans(read: _Read) -> Check:
    """Files without an entry: a note, not a problem, since a live run may publish them."""
    left = orphans(read.files, read.log.kept.values())
    size = sum(read.files[name].size_bytes for name in left)
    return Check("orphans", f"{many_files(len(left), size)}, that no entry names" if left else "none")
