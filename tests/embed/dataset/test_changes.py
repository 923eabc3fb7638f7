"""Two listings of an archive, by hand: what changed, what is gone, what failed as a whole."""

from pathlib import Path

import pyarrow as pa
import pytest

from embed.dataset.changes import before_assets, failed_assets, num_changed, num_gone, superseded, with_unlisted
from embed.dataset.publish import publish
from embed.errors import InputError
from embed.storage.store import join, write_bytes
from embed.tables import LEDGER
from tests.embed.vectors import asset_of, begin, commit, ledger_row, manifest


def test_changed_and_gone_assets_become_tombstones_with_the_reason() -> None:
    before = manifest("a", "b", "c")
    now = pa.concat_tables([manifest("a", "d"), manifest("b", version="size:2")])
    found = superseded(before, now).to_pylist()
    assert [(row["asset_id"], row["reason"]) for row in found] == [(asset_of("b"), "replaced"), (asset_of("c"), "gone")]
    assert num_gone(before, now) == 1
    assert num_gone(before.slice(0, 0), now) == 0
    assert (num_changed(before, now), num_changed(before, before)) == (1, 0)


def test_an_asset_has_failed_when_none_of_its_units_was_embedded() -> None:
    rows = [ledger_row(name, 0, outcome) for name, outcome in (("a", "embedded"), ("b", "failed"), ("c", "skipped"))]
    mixed = [ledger_row("d", 1), ledger_row("e", 0, "failed")]
    ledger = pa.Table.from_pylist([*rows, *({**row, "asset_id": asset_of("b2")} for row in mixed)], schema=LEDGER)
    assert failed_assets(ledger, manifest("a", "b", "b2", "c")) == 1
    assert failed_assets(ledger, manifest("a", "c")) == 0, "what is no longer listed does not count"


def test_a_damaged_list_of_assets_is_named_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    """Taken for empty, what went since would never be tombstoned."""
    begun = begin(str(tmp_path))
    assert before_assets(begun.url).num_rows == 0
    commit(begun, "a", "one")
    version = publish(begun, manifest("a"))
    assert before_assets(begun.url).num_rows == 1
    write_bytes(join(begun.url, str(version.assets and version.assets.name)), b"no table")
    with pytest.raises(InputError, match=r"assets/.*damaged"):
        before_assets(begun.url)


def test_assets_below_a_folder_that_cannot_be_listed_are_not_gone(tmp_path: Path) -> None:
    begun = begin(str(tmp_path))
    names = ("a", "sub/b", "sub/deep/c", "subway/d")
    for name in names:
        commit(begun, name, "one")
    publish(begun, manifest(*names))
    closed = manifest("sub/")
    place = closed.schema.get_field_index("problem")
    closed = closed.set_column(place, closed.schema.field(place), pa.array(["UnreadableFile: closed"]))
    now = pa.concat_tables([manifest("a"), closed])
    found = with_unlisted(now, begun.url)
    assert found["uri"].to_pylist() == ["demo/a", "demo/sub/", "demo/sub/b", "demo/sub/deep/c"]
    assert [row["asset_id"] for row in superseded(manifest(*names), found).to_pylist()] == [asset_of("subway/d")]
    assert with_unlisted(manifest("a"), begun.url).equals(manifest("a"))
