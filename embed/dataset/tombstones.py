"""Tombstones of assets whose rows are no longer valid: replaced content, missing assets, or forgotten assets."""

import pyarrow as pa
import pyarrow.compute as pc

from embed.dataset.log import newest_entry
from embed.dataset.version import FORGOTTEN, REPLACED, TOMBSTONES, forgotten_of, in_one, key_of, read_table
from embed.tables import ID


def forgotten(url: str) -> pa.Array:
    """Ids of the assets that must not be embedded again, with any content; empty where nothing was published."""
    newest = newest_entry(url)
    return forgotten_of(read_table(url, newest.tombstones)) if newest else pa.array([], ID)


def merged_tombstones(
    old: pa.Table | None, more: pa.Table | None, assets: pa.Table | None, forgotten_only: bool = False
) -> pa.Table:
    """TOMBSTONES, one row a pair, sorted; without those whose pair `assets` lists again.

    Forgotten assets stay forgotten: one row per asset, for any content.
    """
    both = pa.concat_tables(
        [TOMBSTONES.empty_table(), *(_complete(table) for table in (old, more) if table is not None)]
    )
    ids = forgotten_of(both).unique()
    rest = both.slice(0, 0) if forgotten_only else both.filter(_valid(both, ids, assets))
    rest = rest.group_by(["asset_id", "content_version"], use_threads=False).aggregate([("reason", "last")])
    rest = rest.rename_columns({"reason_last": "reason"}).select(TOMBSTONES.names).cast(TOMBSTONES)
    rows = pa.concat_tables([forgotten_rows(ids), rest])
    return rows.take(pc.sort_indices(key_of(rows)))


def _valid(stones: pa.Table, ids: pa.Array, assets: pa.Table | None) -> pa.ChunkedArray:
    """Whether each tombstone is still needed: its asset is not forgotten, and `assets` does not list its pair."""
    lifted = pc.is_in(stones["asset_id"], value_set=ids)
    if assets is not None:
        lifted = pc.or_(lifted, pc.is_in(key_of(stones), value_set=in_one(key_of(assets))))
    return pc.invert(lifted)


def forgotten_rows(ids: pa.Array) -> pa.Table:
    """TOMBSTONES of these assets, for any content."""
    columns = [ids, pa.repeat(pa.scalar(""), len(ids)), pa.repeat(pa.scalar(FORGOTTEN), len(ids))]
    return pa.table(columns, schema=TOMBSTONES)


def _complete(table: pa.Table) -> pa.Table:
    """The table as TOMBSTONES; the default reason is replaced content."""
    if "reason" not in table.column_names:
        table = table.append_column("reason", pa.repeat(pa.scalar(REPLACED), table.num_rows))
    return table.select(TOMBSTONES.names).cast(TOMBSTONES)
