"""Publishing of staged units: fold them into data files, then create the one entry of the log that names the files.

It may be killed at any point: before the entry, the old version is valid and staging is complete; after it, the new one
is valid, and units left in staging are recognised as folded by the digest of their bytes.  A writer that loses the race
for a number starts again from the entry that won.  A version whose accounting does not balance is never created.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.accounting import account
from embed.dataset.carry_over import carried_ledger
from embed.dataset.changes import Plan, superseded
from embed.dataset.data_files import (
    FILE_BYTES,
    described,
    groups,
    only,
    rewrite_as_one,
    rewritten,
    without,
    write_data_files,
)
from embed.dataset.job import Job
from embed.dataset.log import append, head, newest_version, place_after, retire_drafts, visible_version
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
from embed.errors import DegluError, SpecError, WorkLeftUndone
from embed.storage.store import delete
from embed.tables import FAILURES, ID, MANIFEST, FailureRow

MANY_SEGMENTS = 32  # segments of the ledger, before they are written as one

log = logging.getLogger(__name__)


def committed(job: Job) -> pa.Array:
    """Ids of the units that need not run: in the head's ledger or in staging, failed ones included; each once.

    A million ids take a second and 100 MB.
    """
    # Staging first: folding in between moves units from staging to the ledger, never back.
    waiting = pa.array(staged(job), ID)
    published = read_unit_ids(job.url, _own(job, head(job.url)))
    ids = pa.chunked_array([*published.chunks, waiting], ID)
    return pc.unique(ids) if may_repeat(ids) else in_one(ids)


def publish_draft(job: Job, file_bytes: int = FILE_BYTES) -> Version | None:
    """Fold staged units into a draft, which readers do not see, so that staging stays small; None if nothing is new."""
    return _append(job, None, None, file_bytes)


def publish(
    job: Job,
    assets: pa.Table,
    planned: pa.Table | None = None,
    carry: pa.Array | None = None,
    file_bytes: int = FILE_BYTES,
) -> Version:
    """Fold staged units and publish the next version; returns the newest one if nothing changed.

    - A unit that is staged again after a version (a retry) replaces its former rows, ledger row and failures.
    - `assets` is the MANIFEST; forgotten assets are left out of it.  Content that it does not list is hidden by
      tombstones, until it is listed again.
    - `planned` (PLANNED) are all units of `assets`; other units of listed content are dropped, with their rows and
      failures (see `embed.dataset.changes`).  None takes the committed units for the planned ones.
    - `carry`: units of an earlier job, see `embed.dataset.carry_over`; a job's first version has only these.
    - Units in the version, and dropped ones, are removed from staging.

    Raises WorkLeftUndone where the accounting would not balance, SpecError where a later job uses the output,
    AlreadyPublished where other writers are always first; nothing is published and nothing is lost then.
    """
    version = _append(job, Plan(assets, planned), carry, file_bytes)
    if version is not None:
        retire_drafts(job.url, version)
        return version
    newest = newest_version(job.url)
    assert newest is not None  # nothing new: it equals this
    return newest


def _append(job: Job, plan: Plan | None, carry: pa.Array | None, file_bytes: int) -> Version | None:
    folded: list[bytes] = []

    def write(base: Version | None) -> Version | None:
        draft = _Draft(job, base, file_bytes, _own(job, base), plan)
        version = draft.written(carry)
        folded[:] = draft.folded
        same = version is None or (base is not None and version.contents() == base.contents())
        return None if same else version

    version = append(job.url, write)
    _tidy(job, folded)
    return version


@dataclass
class _Draft:
    """The next entry, while its files are written."""

    job: Job
    base: Version | None  # head of the log
    file_bytes: int
    own: Version | None  # the head, if it is of this job
    plan: Plan | None  # None: a draft
    drop: pa.Array = field(default_factory=lambda: pa.array([], ID))  # units that are no longer planned
    renew: pa.Array = field(default_factory=lambda: pa.array([], ID))  # units whose rows get another description
    folded: list[bytes] = field(default_factory=list)  # staged units that this entry includes, or drops
    ledger: list[dict[str, Any]] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    retries: list[bytes] = field(default_factory=list)  # units that replace former ones
    edited: bool = False  # rows of the ledger are gone or changed

    def __post_init__(self) -> None:
        self.place = place_after(self.base)
        self.number: int = self.place["number"]

    def written(self, carry: pa.Array | None) -> Version | None:
        """The entry, with all its files written; None for a draft without news."""
        job, own, url, plan = self.job, self.own, self.job.url, self.plan
        waiting = staged(job)
        if plan is None and not waiting:
            return None
        former, old = read_ledger(url, own), self._old_tombstones()
        units = self._gather(waiting, former, old)
        new_data = write_data_files(url, units, job.row_schema(), self.number, self.file_bytes)
        segment = pa.Table.from_pylist(self.ledger, schema=LEDGER_ROWS)
        if plan is None and not segment.num_rows:
            return None
        source = visible_version(url, self.base) if carry is not None else None
        carried = carried_ledger(job, source, carry, known=pa.concat_tables([former, segment]), tombstones=old)
        segment = pa.concat_tables([carried, segment])
        ledger = self._planned(newest_of_each(pa.concat_tables([former, segment])))
        merged = merged_tombstones(old, superseded(ledger, plan.assets) if plan else None, plan and plan.assets)
        live = without_tombstoned(ledger, merged)
        self._refuse_unbalanced(live, forgotten_of(merged))
        return Version(
            **self.place,
            job=job.number,
            complete=plan is not None,
            dims=job.dims,
            metric=job.metric,
            space=job.space,
            encoder=job.encoder,
            rows=pc.sum(live["rows"], min_count=0).as_py(),
            accounting=account(live),
            data=tuple(self._data(former, segment, [*self._carried_data(source, carried), *new_data])),
            ledger=self._segments(segment, ledger),
            failures=self._failures(source, carried),
            tombstones=write_table(url, "tombstones", merged, self.number, self.base.tombstones if self.base else None),
            assets=self._assets(merged),
        )

    def _gather(self, waiting: list[bytes], former: pa.Table, tombstones: pa.Table) -> Iterator[StagedUnit]:
        """Collect new units, and yield those with rows."""
        again = former.filter(pc.is_in(former["unit_id"], value_set=pa.array(waiting, ID)))
        commits = dict(zip(again["unit_id"].to_pylist(), again["commit"].to_pylist(), strict=True))
        forgotten = set(forgotten_of(tombstones).to_pylist())
        for unit in read_units(self.job, waiting):
            self.folded.append(unit.unit_id)
            if commits.get(unit.unit_id) == unit.commit:
                continue  # folded already, by a publisher that was killed before it emptied staging
            if unit.unit_id in commits:
                self.retries.append(unit.unit_id)
            self.ledger.append({**unit.ledger, "commit": unit.commit})
            if unit.ledger["asset_id"] in forgotten:
                continue  # forgotten meanwhile: it is in the ledger, so it does not run again, but its rows are dropped
            self.failures += unit.failures
            if unit.rows.num_rows:
                yield unit

    def _planned(self, ledger: pa.Table) -> pa.Table:
        """The ledger without the units that are planned no more, with the descriptions that its rows will have."""
        if self.plan is None:
            return ledger
        self.drop = self.plan.dropped(ledger)
        self.renew = self.plan.plain(self.plan.outdated(self.job.url, ledger))
        self.edited = bool(len(self.drop) or len(self.renew))
        if not self.edited:
            return ledger
        renewed = pc.is_in(in_one(ledger["unit_id"]), value_set=self.renew)
        descriptions = pc.if_else(renewed, self.plan.descriptions(ledger), in_one(ledger["description"]))
        place = ledger.schema.get_field_index("description")
        return without(self.drop)(ledger.set_column(place, ledger.schema.field(place), descriptions))

    def _refuse_unbalanced(self, live: pa.Table, forgotten: pa.Array) -> None:
        problems = self.plan.unbalanced(live, forgotten) if self.plan else []
        if problems:
            raise WorkLeftUndone(
                f"{self.job.url}: nothing was published, since the accounting does not balance:"
                f" {'; '.join(problems[:3])}; run `deglu embed SPEC` again, and report an internal error if this comes"
                " again"
            )

    def _old_tombstones(self) -> pa.Table:
        """The head's tombstones; of another job's head only the forgotten assets, since its rows are not used."""
        old = read_table(self.job.url, self.base.tombstones) if self.base else None
        return merged_tombstones(old, None, None, forgotten_only=self.own is None)

    def _data(self, former: pa.Table, new: pa.Table, new_files: Iterable[FileRef]) -> Iterator[FileRef]:
        """The job's data files and the new ones, rewritten where they have units that are gone or change."""
        retried = pa.array(self.retries, ID)
        yield from self._rewritten(self.own.data if self.own else (), former, pa.concat_arrays([retried, self.drop]))
        yield from self._rewritten(new_files, new, self.drop)

    def _rewritten(self, refs: Iterable[FileRef], ledger: pa.Table, gone: pa.Array) -> Iterator[FileRef]:
        """Files that have the rows of `ledger`, without those of the units that are gone."""
        with_rows = in_one(ledger.filter(pc.greater(ledger["rows"], 0))["unit_id"])
        touched = with_rows.filter(pc.is_in(with_rows, value_set=pa.concat_arrays([gone, self.renew])))
        drop, renew = without(gone), described(self.renew, self.plan.assets if self.plan else MANIFEST.empty_table())
        schema = self.job.row_schema()
        return rewritten(self.job.url, refs, touched, lambda table: renew(drop(table)), schema, self.number)

    def _carried_data(self, source: Version | None, carried: pa.Table) -> Iterator[FileRef]:
        some = only(in_one(carried["unit_id"]), self.job.encoder)
        for group in groups(source.data) if source and carried.num_rows else ():
            kept = rewrite_as_one(self.job.url, group, some, self.job.row_schema(), self.number)
            if kept:
                yield kept

    def _segments(self, segment: pa.Table, ledger: pa.Table) -> tuple[FileRef, ...]:
        former = self.own.ledger if self.own else ()
        if not (segment.num_rows or self.edited):
            return former
        if self.edited or len(former) + 1 >= MANY_SEGMENTS:
            return (write_table(self.job.url, "ledger", ledger, self.number),)
        return (*former, write_table(self.job.url, "ledger", segment, self.number))

    def _failures(self, source: Version | None, carried: pa.Table) -> FileRef:
        """The newest failures of each unit: a retried unit has its own, or none."""
        url, tables = self.job.url, [pa.Table.from_pylist(self.failures, schema=FAILURES)]
        if source is not None and carried.num_rows:
            kept = read_table(url, source.failures)
            tables.insert(0, kept.filter(pc.is_in(kept["unit_id"], value_set=in_one(carried["unit_id"]))))
        if self.own is not None:
            tables.insert(0, without(pa.array(self.retries, ID))(read_table(url, self.own.failures)))
        failures = without(self.drop)(pa.concat_tables(tables))
        return write_table(url, "failures", failures, self.number, self.own.failures if self.own else None)

    def _assets(self, tombstones: pa.Table) -> FileRef | None:
        former = self.own.assets if self.own else None
        if self.plan is None:
            return former
        assets = self.plan.assets
        kept = assets.filter(pc.invert(pc.is_in(assets["asset_id"], value_set=forgotten_of(tombstones))))
        return write_table(
            self.job.url, "assets", _as_before(kept.select(MANIFEST.names).cast(MANIFEST)), self.number, former
        )


def _as_before(assets: pa.Table) -> pa.Table:
    """Without columns that older versions lack, where they are empty: equal assets are an equal file."""
    newer = ("as_listed", "tags", "checksum")
    return assets.drop_columns([name for name in newer if assets[name].null_count == assets.num_rows])


def _own(job: Job, base: Version | None) -> Version | None:
    """The head if it is of this job; SpecError where it is of a later job."""
    if base is not None and base.job > job.number:
        raise SpecError(
            f"{job.url}: the later job {base.job} uses this output with another spec; use that spec, or --new-version"
        )
    return base if base is not None and base.job == job.number else None


def _tidy(job: Job, folded: Iterable[bytes]) -> None:
    """Empty staging, best effort: the next publish recognises and removes leftovers."""
    try:
        delete(marks_of(job, list(folded)))
    except DegluError as error:
        log.warning("%s: staging was not emptied (%s); the next publish does it", job.url, error)
