"""From staged units to a version: fold, then create one manifest object that nobody else can have created.

Whatever is killed, and wherever: before the manifest the old version stands and staging is whole; after it the new
one stands, and what is left in staging is known to be folded by the digest of its bytes.
"""

import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.accounting import account
from embed.compact import FILE_BYTES, fold, without
from embed.errors import AlreadyPublished, DegluError, InputError
from embed.job import Job, read_job
from embed.staging import StagedUnit, marks_of, read_units, staged
from embed.store import create_exclusive, delete
from embed.tables import FAILURES, MANIFEST
from embed.version import (
    FORGOTTEN,
    REPLACED,
    SEGMENT,
    TOMBSTONES,
    FileRef,
    Version,
    newest_of_each,
    newest_version,
    read_ledger,
    read_table,
    version_url,
    versions,
    without_tombstoned,
    write_table,
)

log = logging.getLogger(__name__)


def committed(url: str) -> set[bytes]:
    """Units that need not run: in the newest version's ledger or in staging, failed ones included."""
    # Staging first: a publish in between moves units from there to the ledger, never back.
    waiting = staged(url)
    return {*waiting, *read_ledger(url, newest_version(url))["unit_id"].to_pylist()}


def publish(url: str, assets: pa.Table, tombstones: pa.Table | None = None, file_bytes: int = FILE_BYTES) -> Version:
    """Fold what is staged and publish the next version; the newest one as it is when nothing changed.

    - A unit that is staged again after a version (a retry) replaces its former rows, ledger row and failures.
    - `tombstones` (asset_id, content_version, and reason: replaced | gone | forgotten) are added to the former
      ones; those whose pair `assets` lists again are lifted, unless forgotten.
    - Staging is emptied of what the version holds.

    Raises AlreadyPublished when another publisher was first; then nothing is lost, and what the other did not
    fold is still staged.
    """
    job, base, waiting = read_job(url), newest_version(url), staged(url)
    number = base.number + 1 if base else 1
    try:
        version = _draft(job, base, waiting, assets, tombstones, file_bytes)
    except InputError as error:  # Another publisher deletes staged files once its version stands.
        if number in versions(url):
            raise _lost(job, number) from error
        raise
    if base is not None and version.contents() == base.contents():
        if number in versions(url):
            raise _lost(job, number)
        version = base
    elif not create_exclusive(version_url(job.url, number), version.model_dump_json(indent=1).encode()):
        raise _lost(job, number)
    _tidy(job, waiting)
    return version


@dataclass
class _Harvest:
    """What folding meets on its way."""

    held: dict[bytes, bytes]  # unit -> commit, of the base version
    ledger: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    again: set[bytes] = field(default_factory=set)  # units that are retries

    def gather(self, units: Iterator[StagedUnit]) -> Iterator[StagedUnit]:
        """Passes on what is new and has rows."""
        for unit in units:
            if self.held.get(unit.unit_id) == unit.commit:
                continue  # Folded already, by a publisher that was killed before it tidied.
            if unit.unit_id in self.held:
                self.again.add(unit.unit_id)
            self.ledger.append({**unit.ledger, "commit": unit.commit})
            self.failures += unit.failures
            if unit.rows.num_rows:
                yield unit


def _draft(
    job: Job,
    base: Version | None,
    waiting: list[bytes],
    assets: pa.Table,
    tombstones: pa.Table | None,
    file_bytes: int,
) -> Version:
    """The next version with all its files written, but not published."""
    former = read_ledger(job.url, base)
    harvest = _Harvest(dict(zip(former["unit_id"].to_pylist(), former["commit"].to_pylist(), strict=True)))
    new_data = fold(job.url, harvest.gather(read_units(job, waiting)), job.row_schema(), file_bytes)
    segment = pa.Table.from_pylist(harvest.ledger, schema=SEGMENT)
    ledger = newest_of_each(pa.concat_tables([former, segment]))
    buried = _merge_tombstones(job, base, assets, tombstones)
    live = without_tombstoned(ledger, buried)
    segments = (write_table(job.url, "ledger", segment),) if segment.num_rows else ()
    return Version(
        number=base.number + 1 if base else 1,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        nonce=secrets.token_hex(8),
        dims=job.dims,
        metric=job.metric,
        space=job.space,
        encoder=job.encoder,
        rows=pc.sum(live["rows"], min_count=0).as_py(),
        accounting=account(live),
        data=(*_former_data(job, base, former, harvest.again), *new_data),
        ledger=(*(base.ledger if base else ()), *segments),
        failures=write_table(job.url, "failures", _merge_failures(job, base, harvest)),
        tombstones=write_table(job.url, "tombstones", buried),
        assets=write_table(job.url, "assets", assets.select(MANIFEST.names).cast(MANIFEST)),
    )


def _former_data(job: Job, base: Version | None, former: pa.Table, again: set[bytes]) -> Iterator[FileRef]:
    """The base version's data files, rewritten where units that came again have rows in them."""
    with_rows = former.filter(pc.greater(former["rows"], 0))["unit_id"].to_pylist()
    again = again.intersection(with_rows)
    for ref in base.data if base else ():
        kept = without(job.url, ref, again, job.row_schema()) if again else ref
        if kept:
            yield kept


def _merge_failures(job: Job, base: Version | None, harvest: _Harvest) -> pa.Table:
    """Only the newest failures of a unit: one that came again brings its own, or has none any more."""
    new = pa.Table.from_pylist(harvest.failures, schema=FAILURES)
    if base is None:
        return new
    old = read_table(job.url, base.failures)
    stale = pc.is_in(old["unit_id"], value_set=pa.array(sorted(harvest.again), FAILURES.field("unit_id").type))
    return pa.concat_tables([old.filter(pc.invert(stale)), new])


def _merge_tombstones(job: Job, base: Version | None, assets: pa.Table, more: pa.Table | None) -> pa.Table:
    """One row a pair, sorted; a forgotten pair stays so."""
    reasons: dict[tuple[bytes, str], str] = {}
    current = set(_pairs(assets))
    for table in (read_table(job.url, base.tombstones) if base else None, more):
        if table is None:
            continue
        given = table["reason"].to_pylist() if "reason" in table.column_names else [REPLACED] * table.num_rows
        for pair, reason in zip(_pairs(table), given, strict=True):
            if reasons.get(pair) != FORGOTTEN and (reason == FORGOTTEN or pair not in current):
                reasons[pair] = reason
    rows = [(*pair, reason) for pair, reason in sorted(reasons.items())]
    return pa.Table.from_pylist([dict(zip(TOMBSTONES.names, row, strict=True)) for row in rows], schema=TOMBSTONES)


def _pairs(table: pa.Table) -> Iterator[tuple[bytes, str]]:
    return zip(table["asset_id"].to_pylist(), table["content_version"].to_pylist(), strict=True)


def _tidy(job: Job, folded: list[bytes]) -> None:
    """Best effort: what stays is recognised, and removed, by the next publish."""
    try:
        delete(marks_of(job.url, folded))
    except DegluError as error:
        log.warning("%s: staging was not emptied (%s); the next publish does it", job.url, error)


def _lost(job: Job, number: int) -> AlreadyPublished:
    return AlreadyPublished(f"{job.url}: another job published version {number} first; run again to add what is left")
