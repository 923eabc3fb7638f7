"""Removal of assets (`deglu forget`): a tombstone hides the rows at once; compaction deletes their bytes.

The tombstone is permanent, under the id that derives from the uri: a forgotten asset is never embedded again.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.compute as pc

from embed.accounting import account
from embed.dataset import compaction
from embed.dataset.job import Job, read_job
from embed.dataset.log import append, draft_number, head, newest_version, place_after, read_entry, visible_version
from embed.dataset.tombstones import forgotten, forgotten_rows, merged_tombstones
from embed.dataset.version import (
    LEDGER_ROWS,
    Version,
    forgotten_of,
    read_ledger,
    read_table,
    without_tombstoned,
    write_table,
)
from embed.errors import InputError
from embed.identity import asset_id
from embed.tables import FAILURES, ID

NEAR = 20_000  # uris that are searched for similar ones


def forget(url: str, uris: Sequence[str], compact: bool = False) -> Version:
    """Hide the assets at `uris` permanently; with `compact`, also purge the bytes of all forgotten assets.

    Returns the new version that readers see; where none is published yet, the draft with the tombstones.
    Raises InputError, naming similar uris, for a uri that was never listed here; then nothing is changed.
    """
    job = read_job(url)
    ids = [asset_id(uri) for uri in uris]
    _refuse_unknown(job, dict(zip(ids, uris, strict=True)))
    if ids:
        append(job.url, lambda base: _with_tombstones(job, base, pa.array(ids, ID)))
    if compact:
        compaction.compact(job.url)
    version = newest_version(job.url) or head(job.url)
    if version is None:
        raise InputError(f"{job.url}: nothing is published or folded yet, so there is nothing to purge")
    return version


def _with_tombstones(job: Job, base: Version | None, ids: pa.Array) -> Version | None:
    """The next entry: the visible version without these assets, with the draft of a run.  None if nothing changes."""
    seen = visible_version(job.url, base)
    contents = seen or base or _nothing(job)
    old = [read_table(job.url, one.tombstones) for one in (seen, base) if one is not None]
    if old and pc.all(pc.is_in(ids, value_set=forgotten_of(old[-1]))).as_py():
        return None
    place = place_after(base)
    tombstones = merged_tombstones(pa.concat_tables([*old, forgotten_rows(ids)]), None, None)
    live = without_tombstoned(read_ledger(job.url, contents), tombstones)
    changes = {
        "complete": seen is not None,
        "draft": draft_number(base) if seen is not None else None,
        "rows": pc.sum(live["rows"], min_count=0).as_py(),
        "accounting": account(live),
        "tombstones": write_table(job.url, "tombstones", tombstones, place["number"]),
        "assets": compaction.assets_without(job.url, contents, forgotten_of(tombstones), place["number"]),
    }
    if base is None:
        changes["failures"] = write_table(job.url, "failures", FAILURES.empty_table(), place["number"])
    return contents.model_copy(update={**place, **changes})


def _nothing(job: Job) -> Version:
    """An empty version, where the log is empty."""
    return Version.model_construct(
        job=job.number,
        **job.model_dump(include={"dims", "metric", "space", "encoder"}),
        rows=0,
        accounting=account(LEDGER_ROWS.empty_table()),
        data=(),
        ledger=(),
        assets=None,
    )


def _refuse_unknown(job: Job, uris: dict[bytes, str]) -> None:
    unknown, known = dict(uris), []
    for table in _listings(job.url):
        if not unknown:
            return
        known.append(table["uri"])
        listed = pc.is_in(pa.array(list(unknown), ID), value_set=table["asset_id"]).to_pylist()
        unknown = {asset: uri for (asset, uri), found in zip(unknown.items(), listed, strict=True) if not found}
    for uri in unknown.values():
        near = _similar(uri, [str(one) for column in known for one in column.to_pylist()])
        cure = f"similar: {', '.join(near)}" if near else "give it as in the column `uri`"
        raise InputError(f"{job.url}: no asset {uri!r} was ever listed here; {cure}")


def _listings(url: str) -> Iterator[pa.Table]:
    """All lists of assets, the likeliest first: asset_id and uri."""
    columns = ["asset_id", "uri"]
    newest = newest_version(url)
    for number in reversed(newest.readable()) if newest else ():
        entry = read_entry(url, number)
        if entry.assets:
            yield read_table(url, entry.assets, columns)
    for _, plan in compaction.plans_of(url):
        yield plan.select(columns)
    ids = forgotten(url)
    yield pa.table({"asset_id": ids, "uri": pa.array([None] * len(ids), pa.string())})


def _similar(uri: str, known: list[str]) -> list[str]:
    name = uri.rsplit("/", 1)[-1].lower()
    same = [one for one in known if one.rsplit("/", 1)[-1].lower() == name]
    return sorted(set(same))[:3] or get_close_matches(uri, list(dict.fromkeys(known))[:NEAR], n=3)
