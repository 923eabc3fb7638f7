"""Work left: the units of an archive that a dataset does not have yet.

    inputs -> list_archive -> Listing -> work_left -> WorkLeft: todo, planned, before, carry, dropped

`deglu plan`, `deglu embed`, its --dry-run and `deglu retry` all use it.  Files may be probed; nothing is written.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from embed.amount import Amount
from embed.archive.contents import Contents, digests_of
from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_inputs
from embed.dataset.carry_over import carriable
from embed.dataset.changes import PLAIN, Plan, before_assets, with_unlisted
from embed.dataset.job import Job
from embed.dataset.log import head, newest_version
from embed.dataset.publish import committed
from embed.dataset.runs import newest_runs, read_plan
from embed.dataset.tombstones import forgotten
from embed.dataset.version import in_one, read_ledger, read_table, without_tombstoned
from embed.segmentation.rules import Cutting
from embed.segmentation.units import plan_units, planned_units, units_left
from embed.tables import FAILURES, ID, PASSED_OVER, TEXT

# Columns about the probing of an asset; of a million assets the others are hundreds of megabytes.
PROBED = (
    "asset_id", "size_bytes", "content_version", "format", "columns", "track",
    "duration_s", "items", "tracks", "problem", "as_listed", "tags", "checksum",
)  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """The listed inputs of a job, and the listing before it, whose files need no second probe."""

    assets: pa.Table  # MANIFEST of the inputs, without forgotten assets
    known: pa.Table  # PROBED columns of the listing before
    passed_over: pa.Table = field(default_factory=PASSED_OVER.empty_table)
    notes: tuple[str, ...] = ()  # for the user


@dataclass(frozen=True)
class WorkLeft:
    """All units of the listed assets, and those of them that must still run."""

    assets: pa.Table  # MANIFEST
    todo: pa.Table  # UNITS that are neither committed nor carried, in order
    planned: Amount  # all units of the assets
    before: Amount  # of these, committed or carried
    carry: pa.Array  # ids of text units whose rows are copied from the job before
    again: int = 0  # units of tables that are embedded again, since their input has other metadata now
    dropped: int = 0  # units of the output that publishing drops: other settings of their inputs made them
    passed_over: pa.Table = field(default_factory=PASSED_OVER.empty_table)

    @property
    def left(self) -> Amount:
        return self.planned - self.before


def list_archive(
    url: str,
    inputs: Sequence[InputSpec],
    on_progress: Callable[[int, int], None] | None = None,
    known: pa.Table | None = None,
) -> Listing:
    """List the inputs of the output at `url`; files that `known` has unchanged are not probed again.

    `known` is by default the listing in the output, also that of a run that was interrupted.
    Raises InputError for an input that is missing or holds no file to embed.
    """
    before = known_assets(url) if known is None else known
    contents = Contents(lambda: digests_of(read_ledger(url, head(url))))
    found = list_inputs(inputs, before, on_progress, frozenset(forgotten(url).to_pylist()), contents)
    assets = with_unlisted(found.assets, url)
    return Listing(assets, before, found.passed_over, found.notes)


def known_assets(url: str) -> pa.Table:
    """PROBED columns of the assets that need no probing: those of the newest run, else of the newest version."""
    for run in newest_runs(url, 2):  # the newest may still be listing
        if run.plan and (plan := read_plan(url, run, PROBED)).num_rows:
            return plan
    return before_assets(url, PROBED)


def work_left(job: Job, listing: Listing, cutting: Cutting) -> WorkLeft:
    """The work of a job that continues or begins; when it begins, its output may have texts to carry over."""
    carry, done, again = _carried(job, listing.assets, cutting), committed(job), _again(job, listing.assets, cutting)
    carry, left = _without(carry, again), _without(done, again)
    work = replace(divide(listing, cutting, pa.concat_arrays([left, carry]), carry), again=len(again))
    rest = len(left) + len(carry) > work.before.units  # only then the ledger is read as a whole
    return replace(work, dropped=_dropped(job, listing.assets, cutting)) if rest else work


def failed_left(job: Job, former: pa.Table, listing: Listing, failed: pa.Table, cutting: Cutting) -> WorkLeft:
    """The work of a retry: the units of `failed` (FAILURES); their assets as listed now, all others as in `former`."""
    chosen, ids = in_one(failed["asset_id"]), committed(job)
    fresh = listing.assets.filter(pc.is_in(listing.assets["asset_id"], value_set=chosen))
    assets = pa.concat_tables([without_assets(former, chosen), fresh])
    again = pa.concat_arrays([in_one(failed["unit_id"]), _again(job, assets, cutting)])
    return divide(Listing(assets, former, listing.passed_over), cutting, _without(ids, again))


def failures_so_far(url: str) -> pa.Table:
    """FAILURES of the newest entry, including those that a run has folded but not published."""
    last = head(url)
    return FAILURES.empty_table() if last is None else read_table(url, last.failures)


def without_assets(assets: pa.Table, asset_ids: pa.Array) -> pa.Table:
    return assets.filter(pc.invert(pc.is_in(assets["asset_id"], value_set=asset_ids)))


def divide(listing: Listing, cutting: Cutting, done: pa.Array, carry: pa.Array | None = None) -> WorkLeft:
    """The work of listed assets by the ids of the units that are done; `carry` are those that are carried over."""
    todo, planned, before = units_left(listing.assets, cutting, done)
    carry = pa.array([], ID) if carry is None else carry
    return WorkLeft(listing.assets, todo, planned, before, carry, passed_over=listing.passed_over)


def _carried(job: Job, assets: pa.Table, cutting: Cutting) -> pa.Array:
    """Texts that the job before has embedded in the same space: they are valid, and are not embedded again."""
    newest = newest_version(job.url)
    if newest is None or newest.job == job.number:
        return pa.array([], ID)
    texts = plan_units(assets.filter(pc.equal(assets["modality"], TEXT)), cutting)["unit_id"]
    return carriable(job, texts)


def _again(job: Job, assets: pa.Table, cutting: Cutting) -> pa.Array:
    """Units in the ledger whose input has another language or metadata now, of files whose rows may have their own.

    Rows of all other files are written again when the version is published.
    """
    tables = assets.filter(pc.invert(pc.is_in(assets["format"], value_set=pa.array(PLAIN))))
    last = head(job.url)
    if last is None or not tables.num_rows:
        return pa.array([], ID)
    plan = Plan(tables, planned_units(tables, cutting))
    return in_one(plan.outdated(job.url, read_ledger(job.url, last))["unit_id"])


def _without(ids: pa.Array, some: pa.Array) -> pa.Array:
    return ids.filter(pc.invert(pc.is_in(ids, value_set=some)))


def _dropped(job: Job, assets: pa.Table, cutting: Cutting) -> int:
    """Number of units in the ledger that publishing would drop."""
    last = head(job.url)
    if last is None or last.job != job.number:
        return 0
    live = without_tombstoned(read_ledger(job.url, last), read_table(job.url, last.tombstones))
    return len(Plan(assets, planned_units(assets, cutting)).dropped(live))
