"""Changes between two listings of an archive: assets that changed, are gone, or failed completely."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from embed.accounting import EMBEDDED, FAILED
from embed.dataset.log import newest_version
from embed.dataset.version import GONE, REPLACED, in_one, key_of, read_table
from embed.tables import MANIFEST, manifest_of


def before_assets(url: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The assets of the newest version; none where nothing is published."""
    newest = newest_version(url)
    if newest is None or newest.assets is None:
        return MANIFEST.empty_table().select(columns or MANIFEST.names)
    return manifest_of(read_table(url, newest.assets, columns), columns)


def num_gone(before: pa.Table, now: pa.Table) -> int:
    """Number of assets of a listing that are not in a later one."""
    kept = pc.sum(pc.is_in(before["asset_id"], value_set=in_one(now["asset_id"])), min_count=0).as_py()
    return int(before.num_rows - kept)


def superseded(before: pa.Table, now: pa.Table) -> pa.Table:
    """Assets that changed or are gone since: their old rows become tombstones, with the reason."""
    old = before.select(["asset_id", "content_version"])
    old = old.filter(pc.invert(pc.is_in(key_of(old), value_set=in_one(key_of(now)))))
    stays = pc.is_in(old["asset_id"], value_set=in_one(now["asset_id"]))
    return old.append_column("reason", pc.if_else(stays, REPLACED, GONE))


def failed_assets(ledger: pa.Table, assets: pa.Table) -> int:
    """Number of assets with a failed unit and no embedded one."""
    of = {outcome: pc.unique(ledger.filter(pc.equal(ledger["outcome"], outcome))["asset_id"])
          for outcome in (EMBEDDED, FAILED)}  # fmt: skip
    whole = of[FAILED].filter(pc.invert(pc.is_in(of[FAILED], value_set=of[EMBEDDED])))
    return int(pc.sum(pc.is_in(whole, value_set=in_one(assets["asset_id"])), min_count=0).as_py())
