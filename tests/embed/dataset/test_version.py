import pyarrow as pa
import pytest

from embed.dataset.version import (
    LEDGER_ROWS,
    TOMBSTONES,
    Version,
    forgotten_of,
    may_repeat,
    newest_of_each,
    read_ledger,
    read_table,
    without_tombstoned,
    write_table,
)
from embed.storage.store import listing
from embed.tables import ID
from tests.embed.vectors import VERSION, asset_of, ledger_row, unit_of, unit_rows


def segment(*units: tuple[str, int]) -> pa.Table:
    rows = [{**ledger_row(name, num), "commit": b"c" * 16} for name, num in units]
    return pa.Table.from_pylist(rows, schema=LEDGER_ROWS)


def test_the_newest_row_of_a_unit_counts() -> None:
    assert newest_of_each(segment(("a", 1), ("b", 2), ("a", 3)))["rows"].to_pylist() == [2, 3]
    assert newest_of_each(segment()).num_rows == 0


def test_repeats_are_seen_across_chunks_and_slices() -> None:
    ids = pa.array([unit_of(name) for name in "abcab"], ID)
    assert not may_repeat(pa.chunked_array([ids.slice(0, 3)]))
    assert not may_repeat(pa.chunked_array([ids.slice(2, 3), ids.slice(0, 0)]))
    assert may_repeat(pa.chunked_array([ids.slice(0, 3), ids.slice(4, 1)]))
    assert not may_repeat(pa.chunked_array([], ID))


def test_a_ledger_from_before_reasons_were_kept_has_none(storage_url: str) -> None:
    old = write_table(storage_url, "ledger", segment(("a", 1)).drop_columns(["reason"]))
    new = pa.Table.from_pylist(
        [{**ledger_row("b", 0, "skipped"), "reason": "no speech", "commit": b"c" * 16}], schema=LEDGER_ROWS
    )
    version = Version.model_construct(ledger=(old, write_table(storage_url, "ledger", new)))
    found = read_ledger(storage_url, version)
    assert found.schema == LEDGER_ROWS
    assert found["reason"].to_pylist() == [None, "no speech"]


def test_equal_tables_are_one_file(storage_url: str) -> None:
    first, again = (write_table(storage_url, "ledger", segment(("a", 1))) for _ in range(2))
    other = write_table(storage_url, "ledger", segment(("a", 2)))
    assert first == again != other
    assert len(listing(storage_url)) == 2
    assert read_table(storage_url, first).equals(segment(("a", 1)))


def test_names_tell_the_entry_and_equal_bytes_stay_where_they_are(storage_url: str) -> None:
    first = write_table(storage_url, "assets", segment(("a", 1)), 7)
    assert first.name.startswith("assets/00000007-")
    assert write_table(storage_url, "assets", segment(("a", 1)), 8, first) == first
    assert write_table(storage_url, "assets", segment(("a", 2)), 8, first).name.startswith("assets/00000008-")


def test_a_large_table_gives_only_the_columns_asked(storage_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = write_table(storage_url, "ledger", segment(("a", 1), ("b", 2)), 1)
    monkeypatch.setattr("embed.dataset.version.LARGE_BYTES", 1)
    assert read_table(storage_url, ref, ["unit_id"]).to_pydict() == {"unit_id": [unit_of("a"), unit_of("b")]}


def test_what_is_forgotten_hides_whatever_its_content() -> None:
    table = pa.concat_tables([unit_rows("a", ["x"]), unit_rows("a", ["y"], version="size:2"), unit_rows("b", ["z"])])
    stones = pa.table([[asset_of("a")], [""], ["forgotten"]], schema=TOMBSTONES)
    assert without_tombstoned(table, stones)["text"].to_pylist() == ["z"]
    assert forgotten_of(stones).to_pylist() == [asset_of("a")]


def test_a_tombstone_hides_one_content_of_one_asset() -> None:
    table = pa.concat_tables([unit_rows("a", ["x"]), unit_rows("a", ["y"], version="size:2"), unit_rows("b", ["z"])])
    stone = {"asset_id": asset_of("a"), "content_version": VERSION, "reason": "gone"}
    stones = pa.Table.from_pylist([stone], schema=TOMBSTONES)
    assert without_tombstoned(table, stones)["text"].to_pylist() == ["y", "z"]
    assert without_tombstoned(table.to_batches()[0], stones).num_rows == 0
    assert without_tombstoned(table, TOMBSTONES.empty_table()).num_rows == 3
