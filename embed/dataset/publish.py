"""From staged units to the log of versions: fold what is staged into files, then create the one entry that names them.

Whatever is killed, and wherever: before the entry the old one stands and staging is whole; after it the new one stands,
and what is left in staging is known to be folded by the digest of its bytes.  Who loses the race for a number begins
again from the entry that won it.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.accounting import account
from embed.dataset.carry_over import carried_ledger
from embed.dataset.data_files import FILE_BYTES, groups, only, rewrite_as_one, without, write_data_files
from embed.dataset.job import Job
from embed.dataset.log import append, head, newest_version, place_after, retire_drafts, shown
from embed.dataset.staging import StagedUnit, marks_of, read_units, staged
from embed.dataset.tombstones import merged_tombstones
from embed.dataset.version import (
    LEDGER_ROWS,
    FileRef,
    Version,
    forgotten_of,
    in_one,
    may_repeat,
    newest_of_each,
    read_ledger,
    read_table,
    read_unit_ids,
    without_tombstoned,
    write_table,
)
from embed.errors import DegluError, SpecError
from embed.storage.store import delete
from embed.tables import FAILURES, ID, MANIFEST, FailureRow

MANY_SEGMENTS = 32  # of the ledger, until they are written as one

log = logging.getLogger(__name__)


def committed(job: Job) -> pa.Array:
    """Ids of the units that need not run: in the head's ledger or in staging, failed ones included; each once.

    A million take a second and 100 MB.
    """
    # Staging first: folding in between moves units from there to the ledger, never back.
    waiting = pa.array(staged(job), ID)
    published = read_unit_ids(job.url, _own(job, head(job.url)))
    ids = pa.chunked_array([*published.chunks, waiting], ID)
    return pc.unique(ids) if may_repeat(ids) else in_one(ids)


def publish_draft(job: Job, file_bytes: int = FILE_BYTES) -> Version | None:
    """Fold what is staged into a draft, which readers do not see, so that staging stays small; None for nothing new."""
    return _append(job, None, None, None, None, file_bytes)


def publish(
    job: Job,
    assets: pa.Table,
    tombstones: pa.Table | None = None,
    carry: pa.Array | None = None,
    drop: pa.Array | None = None,
    file_bytes: int = FILE_BYTES,
) -> Version:
    """Fold what is staged and publish the next version; the newest one as it is when nothing changed.

    - A unit that is staged again after a version (a retry) replaces its former rows, ledger row and failures.
    - `assets` is the MANIFEST; what is forgotten is left out of it.
    - `tombstones` (asset_id, content_version, and reason: replaced | gone | forgotten) are added to the former ones;
      those whose pair `assets` lists again are lifted, unless forgotten.
    - `carry`: units of an earlier job, see `embed.dataset.carry_over`; a job's first version has only these.
    - `drop`: units that are planned no more, though their asset's content is the same: a file that could not be probed
      can be now, and has others.  Their rows, ledger rows and failures are left out.
    - Staging is emptied of what the version holds.

    Raises SpecError where a later job has taken the output over, AlreadyPublished when others go on being first; then
    nothing is lost.
    """
    version = _append(job, assets, tombstones, carry, drop, file_bytes)
    if version is not None:
        retire_drafts(job.url, version)
        return version
    newest = newest_version(job.url)
    assert newest is not None  # nothing new: it equals this
    return newest


def _append(
    job: Job,
    assets: pa.Table | None,
    tombstones: pa.Table | None,
    carry: pa.Array | None,
    drop: pa.Array | None,
    file_bytes: int,
) -> Version | None:
    met: list[bytes] = []

    def write(base: Version | None) -> Version | None:
        draft = _Draft(job, base, file_bytes, _own(job, base), pa.array([], ID) if drop is None else drop)
        version = draft.written(assets, tombstones, carry)
        met[:] = draft.met
        same = version is None or (base is not None and version.contents() == base.contents())
        return None if same else version

    version = append(job.url, write)
    _tidy(job, met)
    return version


@dataclass
class _Draft:
    """The next entry, while its files are written."""

    job: Job
    base: Version | None  # head of the log
    file_bytes: int
    own: Version | None  # the same where it is of this job
    drop: pa.Array  # units that are planned no more
    met: list[bytes] = field(default_factory=list)  # staged units that are read
    ledger: list[dict[str, Any]] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    again: list[bytes] = field(default_factory=list)  # units that are retries
    fewer: bool = False  # the ledger has lost units

    def __post_init__(self) -> None:
        self.place = place_after(self.base)
        self.number: int = self.place["number"]

    def written(self, assets: pa.Table | None, tombstones: pa.Table | None, carry: pa.Array | None) -> Version | None:
        """With all its files written; a draft where `assets` are None, and None where that would hold nothing new."""
        job, own, url = self.job, self.own, self.job.url
        waiting = staged(job)
        if assets is None and not waiting:
            return None
        former, old = read_ledger(url, own), self._old_tombstones()
        units = self._gather(waiting, former, old)
        new_data = write_data_files(url, units, job.row_schema(), self.number, self.file_bytes)
        segment = pa.Table.from_pylist(self.ledger, schema=LEDGER_ROWS)
        if assets is None and not segment.num_rows:
            return None
        source = shown(url, self.base) if carry is not None else None
        carried = carried_ledger(job, source, carry, known=pa.concat_tables([former, segment]), tombstones=old)
        segment = pa.concat_tables([carried, segment])
        ledger = newest_of_each(pa.concat_tables([former, segment]))
        dropped = pc.is_in(ledger["unit_id"], value_set=self.drop)
        ledger, self.fewer = ledger.filter(pc.invert(dropped)), pc.any(dropped, min_count=0).as_py()
        buried = merged_tombstones(old, tombstones, assets)
        live = without_tombstoned(ledger, buried)
        return Version(
            **self.place,
            job=job.number,
            complete=assets is not None,
            dims=job.dims,
            metric=job.metric,
            space=job.space,
            encoder=job.encoder,
            rows=pc.sum(live["rows"], min_count=0).as_py(),
            accounting=account(live),
            data=(*self._former_data(former), *self._carried_data(source, carried), *new_data),
            ledger=self._segments(segment, ledger),
            failures=self._failures(source, carried),
            tombstones=write_table(url, "tombstones", buried, self.number, self.base.tombstones if self.base else None),
            assets=self._assets(assets, buried),
        )

    def _gather(self, waiting: list[bytes], former: pa.Table, tombstones: pa.Table) -> Iterator[StagedUnit]:
        """Passes on what is new and has rows."""
        again = former.filter(pc.is_in(former["unit_id"], value_set=pa.array(waiting, ID)))
        held = dict(zip(again["unit_id"].to_pylist(), again["commit"].to_pylist(), strict=True))
        forgotten = set(forgotten_of(tombstones).to_pylist())
        for unit in read_units(self.job, waiting):
            self.met.append(unit.unit_id)
            if held.get(unit.unit_id) == unit.commit:
                continue  # Folded already, by a publisher that was killed before it tidied.
            if unit.unit_id in held:
                self.again.append(unit.unit_id)
            self.ledger.append({**unit.ledger, "commit": unit.commit})
            if unit.ledger["asset_id"] in forgotten:
                continue  # Forgotten on its way: the ledger knows that it need not run, and no file gets its rows.
            self.failures += unit.failures
            if unit.rows.num_rows:
                yield unit

    def _old_tombstones(self) -> pa.Table:
        """Those of the head; another job's hide rows that this one has not, but for what is forgotten."""
        old = read_table(self.job.url, self.base.tombstones) if self.base else None
        return merged_tombstones(old, None, None, forgotten_only=self.own is None)

    def _former_data(self, former: pa.Table) -> Iterator[FileRef]:
        """The job's data files, rewritten where units that came again have rows in them."""
        with_rows = former.filter(pc.greater(former["rows"], 0))["unit_id"]
        again = in_one(with_rows.filter(pc.is_in(with_rows, value_set=self._stale())))
        for ref in self.own.data if self.own else ():
            kept = without(self.job.url, ref, again, self.job.row_schema(), self.number) if len(again) else ref
            if kept:
                yield kept

    def _carried_data(self, source: Version | None, carried: pa.Table) -> Iterator[FileRef]:
        some = only(in_one(carried["unit_id"]), self.job.encoder)
        for group in groups(source.data) if source and carried.num_rows else ():
            kept = rewrite_as_one(self.job.url, group, some, self.job.row_schema(), self.number)
            if kept:
                yield kept

    def _segments(self, segment: pa.Table, ledger: pa.Table) -> tuple[FileRef, ...]:
        former = self.own.ledger if self.own else ()
        if not (segment.num_rows or self.fewer):
            return former
        if self.fewer or len(former) + 1 >= MANY_SEGMENTS:
            return (write_table(self.job.url, "ledger", ledger, self.number),)
        return (*former, write_table(self.job.url, "ledger", segment, self.number))

    def _failures(self, source: Version | None, carried: pa.Table) -> FileRef:
        """Only the newest failures of a unit: one that came again brings its own, or has none any more."""
        url, tables = self.job.url, [pa.Table.from_pylist(self.failures, schema=FAILURES)]
        if source is not None and carried.num_rows:
            kept = read_table(url, source.failures)
            tables.insert(0, kept.filter(pc.is_in(kept["unit_id"], value_set=in_one(carried["unit_id"]))))
        if self.own is not None:
            old = read_table(url, self.own.failures)
            tables.insert(0, old.filter(pc.invert(pc.is_in(old["unit_id"], value_set=self._stale()))))
        return write_table(
            url, "failures", pa.concat_tables(tables), self.number, self.own.failures if self.own else None
        )

    def _stale(self) -> pa.Array:
        """Units whose former rows and failures are not valid any more."""
        return pa.concat_arrays([pa.array(self.again, ID), self.drop])

    def _assets(self, assets: pa.Table | None, tombstones: pa.Table) -> FileRef | None:
        former = self.own.assets if self.own else None
        if assets is None:
            return former
        wanted = assets.filter(pc.invert(pc.is_in(assets["asset_id"], value_set=forgotten_of(tombstones))))
        return write_table(self.job.url, "assets", wanted.select(MANIFEST.names).cast(MANIFEST), self.number, former)


def _own(job: Job, base: Version | None) -> Version | None:
    """The head where it is of this job; another job's is not gone on from."""
    if base is not None and base.job > job.number:
        raise SpecError(
            f"{job.url}: job {base.job} has taken over with another spec; run with that, or with --new-version"
        )
    return base if base is not None and base.job == job.number else None


def _tidy(job: Job, folded: Iterable[bytes]) -> None:
    """Best effort: what stays is recognised, and removed, by the next publish."""
    try:
        delete(marks_of(job, list(folded)))
    except DegluError as error:
        log.warning("%s: staging was not emptied (%s); the next publish does it", job.url, error)
