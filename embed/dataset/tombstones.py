"""Tombstones of assets whose rows are not valid any more: replaced content, assets gone, or forgotten for ever."""

import pyarrow as pa
import pyarrow.compute as pc

from embed.dataset.log import newest_entry
from embed.dataset.version import FORGOTTEN, REPLACED, TOMBSTONES, forgotten_of, in_one, key_of, read_table
from embed.tables import ID


def forgotten(url: str) -> pa.Array:
    """Ids of the assets that must not be embedded again, whatever their content; empty where nothing was published."""
    newest = newest_entry(url)
    return forgotten_of(read_table(url, newest.tombstones)) if newest else pa.array([], ID)


def merged_tombstones(
    old: pa.Table | None, more: pa.Table | None, assets: pa.Table | None, forgotten_only: bool = False
) -> pa.Table:
    """TOMBSTONES, one row a pair, sorted; without those whose pair `assets` lists again.

    What is forgotten stays so: one row an asset, which is for whatever content.
    """
    both = pa.concat_tables(
        [TOMBSTONES.empty_table(), *(_complete(table) for table in (old, more) if table is not None)]
    )
    buried = forgotten_of(both).unique()
    rest = both.slice(0, 0) if forgotten_only else both.filter(_valid(both, buried, assets))
    rest = rest.group_by(["asset_id", "content_version"], use_threads=False).aggregate([("reason", "last")])
    rest = rest.rename_columns({"reason_last": "reason"}).select(TOMBSTONES.names).cast(TOMBSTONES)
    rows = pa.concat_tables([forgotten_rows(buried), rest])
    return rows.take(pc.sort_indices(key_of(rows)))


def _valid(stones: pa.Table, buried: pa.Array, assets: pa.Table | None) -> pa.ChunkedArray:
    """Which of them are of a pair that is not forgotten, nor listed."""
    lifted = pc.is_in(stones["asset_id"], value_set=buried)
    if assets is not None:
        lifted = pc.or_(lifted, pc.is_in(key_of(stones), value_set=in_one(key_of(assets))))
    return pc.invert(lifted)


def forgotten_rows(buried: pa.Array) -> pa.Table:
    """TOMBSTONES of these assets, for whatever content."""
    columns = [buried, pa.repeat(pa.scalar(""), len(buried)), pa.repeat(pa.scalar(FORGOTTEN), len(buried))]
    return pa.table(columns, schema=TOMBSTONES)


def _complete(table: pa.Table) -> pa.Table:
    """As TOMBSTONES; without a reason given, content was replaced."""
    if "reason" not in table.column_names:
        table = table.append_column("reason", pa.repeat(pa.scalar(REPLACED), table.num_rows))
    return table.select(TOMBSTONES.names).cast(TOMBSTONES)
