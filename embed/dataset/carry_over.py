"""Carry-over of texts from one job to the next: their vectors depend only on the space.

So after the fusion was trained again, speech is embedded again, and every text row stays.
"""

import pyarrow as pa
import pyarrow.compute as pc

from embed.accounting import EMBEDDED
from embed.dataset.job import Job
from embed.dataset.log import newest_version
from embed.dataset.version import LEDGER_ROWS, Version, forgotten_of, in_one, read_ledger, read_table
from embed.tables import ID


def carriable(job: Job, unit_ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Units of text among these that an earlier job has embedded and published in the same space.

    They need not run: `publish(..., carry=...)` copies their rows.  Empty once this job has published.
    """
    source = newest_version(job.url)
    stones = read_table(job.url, source.tombstones) if source else None
    return in_one(carried_ledger(job, source, unit_ids, LEDGER_ROWS.empty_table(), stones)["unit_id"])


def carried_ledger(
    job: Job,
    source: Version | None,
    unit_ids: pa.Array | pa.ChunkedArray | None,
    known: pa.Table,
    tombstones: pa.Table | None,
) -> pa.Table:
    """LEDGER_ROWS of `source` that a new job may keep: embedded, in its space, not forgotten, not in `known`."""
    if source is None or unit_ids is None or source.job >= job.number or source.space != job.space:
        return LEDGER_ROWS.empty_table()
    ledger = read_ledger(job.url, source)
    kept = pc.and_(
        pc.equal(ledger["outcome"], EMBEDDED), pc.is_in(ledger["unit_id"], value_set=in_one(unit_ids).cast(ID))
    )
    kept = pc.and_not(kept, pc.is_in(ledger["unit_id"], value_set=in_one(known["unit_id"])))
    if tombstones is not None:
        kept = pc.and_not(kept, pc.is_in(ledger["asset_id"], value_set=forgotten_of(tombstones)))
    return ledger.filter(kept)
