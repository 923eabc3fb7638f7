"""Plan of a version, and its changes against what the dataset holds.

Whatever changed (a file, a setting of its input, the rules of planning), one rule applies to every unit of the ledger:

- its asset is listed with the same content, and the unit is planned: it stays
- its asset is listed with the same content, but the unit is not planned: it is dropped, with its rows and failures
- its asset is gone, or has other content: a tombstone hides it, and is lifted when that content is listed again

Language and metadata of an input are no part of a unit's id, so a unit that stays may have rows with outdated ones.
They are written again with the new ones, with the same vectors; only files whose rows may have values of their own
(tables) are embedded again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from embed import identity
from embed.accounting import EMBEDDED, FAILED, imbalances
from embed.dataset.log import newest_version
from embed.dataset.version import GONE, REPLACED, in_one, key_of, read_table
from embed.tables import ID, MANIFEST, manifest_of

KEY = ["asset_id", "content_version"]
DESCRIBED = ["asset_id", "lang", "metadata", "text"]  # columns of an asset that its rows carry
PLAIN = ("audio", "utterance", "row", "clip", "txt")  # formats whose rows have no language and metadata of their own


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


def num_changed(before: pa.Table, now: pa.Table) -> int:
    """Number of assets of a listing that have other content in a later one, and can be read there."""
    readable = now.filter(pc.is_null(now["problem"]))
    there = before.filter(pc.is_in(before["asset_id"], value_set=in_one(readable["asset_id"])))
    same = pc.sum(pc.is_in(key_of(there), value_set=in_one(key_of(readable))), min_count=0).as_py()
    return int(there.num_rows - same)


def with_unlisted(now: pa.Table, url: str) -> pa.Table:
    """MANIFEST, and the newest version's assets below folders that cannot be listed now: they are not gone."""
    is_closed = pc.and_(pc.ends_with(now["uri"], "/"), pc.is_valid(now["problem"]))
    folders = now.filter(is_closed)["uri"].to_pylist()
    if not folders:
        return now
    before = before_assets(url)
    hidden = [pc.starts_with(before["uri"], folder) for folder in folders]
    missing = pc.invert(pc.is_in(before["asset_id"], value_set=in_one(now["asset_id"])))
    return pa.concat_tables([now, before.filter(pc.and_(reduce(pc.or_, hidden), missing))])


def superseded(before: pa.Table, now: pa.Table) -> pa.Table:
    """TOMBSTONES of the contents in `before` (assets or a ledger) that `now` does not list, with the reason."""
    old = before.select(KEY)
    old = old.filter(pc.invert(pc.is_in(key_of(old), value_set=in_one(key_of(now)))))
    old = old.group_by(KEY, use_threads=False).aggregate([])
    stays = pc.is_in(old["asset_id"], value_set=in_one(now["asset_id"]))
    return old.append_column("reason", pc.if_else(stays, REPLACED, GONE))


@dataclass(frozen=True)
class Plan:
    """The assets of the next version and, where known, all their units."""

    assets: pa.Table  # MANIFEST
    units: pa.Table | None = None  # PLANNED; None takes the committed units for the planned ones

    def dropped(self, ledger: pa.Table) -> pa.Array:
        """Ids of the units of a ledger that are not planned, though the assets have the content that they are of."""
        if self.units is None:
            return pa.array([], ID)
        rest = ledger.filter(pc.invert(pc.is_in(ledger["unit_id"], value_set=in_one(self.units["unit_id"]))))
        return in_one(rest.filter(pc.is_in(key_of(rest), value_set=in_one(key_of(self.assets))))["unit_id"])

    def outdated(self, url: str, ledger: pa.Table) -> pa.Table:
        """The rows of a ledger whose units have rows with other values than the assets have now (see DESCRIBED)."""
        if self.units is None:
            return ledger.slice(0, 0)
        then = in_one(ledger["description"])
        if then.null_count:  # recorded by an older Deglu: its rows are as the assets of its version
            before = before_assets(url, DESCRIBED)
            of_asset = pc.index_in(in_one(ledger["asset_id"]), value_set=in_one(before["asset_id"]))
            then = pc.coalesce(then, identity.descriptions(before).take(of_asset))
        differs = pc.fill_null(pc.not_equal(self.descriptions(ledger), then), False)
        return ledger.filter(pc.and_(differs, pc.greater(in_one(ledger["rows"]), 0)))

    def descriptions(self, ledger: pa.Table) -> pa.Array:
        """The description that rows of each unit should have; null where it is not planned."""
        if self.units is None:
            return pa.nulls(ledger.num_rows, ID)
        places = pc.index_in(in_one(ledger["unit_id"]), value_set=in_one(self.units["unit_id"]))
        return in_one(self.units["description"]).take(places)

    def plain(self, ledger: pa.Table) -> pa.Array:
        """Ids of the units of a ledger that are of PLAIN assets."""
        plain = self.assets.filter(pc.is_in(self.assets["format"], value_set=pa.array(PLAIN)))["asset_id"]
        return in_one(ledger["unit_id"]).filter(pc.is_in(in_one(ledger["asset_id"]), value_set=in_one(plain)))

    def unbalanced(self, live: pa.Table, forgotten: pa.Array) -> list[str]:
        """One line for each sum of a version that does not match; `live` are its units without tombstoned ones."""
        if self.units is None:
            return []
        listed = self.units.filter(pc.invert(pc.is_in(self.units["asset_id"], value_set=forgotten)))["unit_id"].unique()
        problems = imbalances(live, len(listed))
        missing = len(listed) - pc.sum(pc.is_in(listed, value_set=in_one(live["unit_id"])), min_count=0).as_py()
        surplus = live.num_rows - pc.sum(pc.is_in(live["unit_id"], value_set=listed), min_count=0).as_py()
        if missing or surplus:
            problems.append(f"{missing} planned units are not in the ledger, {surplus} of the ledger are not planned")
        return problems


def failed_assets(ledger: pa.Table, assets: pa.Table) -> int:
    """Number of assets with a failed unit and no embedded one."""
    of = {outcome: pc.unique(ledger.filter(pc.equal(ledger["outcome"], outcome))["asset_id"])
          for outcome in (EMBEDDED, FAILED)}  # fmt: skip
    whole = of[FAILED].filter(pc.invert(pc.is_in(of[FAILED], value_set=of[EMBEDDED])))
    return int(pc.sum(pc.is_in(whole, value_set=in_one(assets["asset_id"])), min_count=0).as_py())
