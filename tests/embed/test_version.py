from pathlib import Path

import pyarrow as pa
import pytest

from embed.errors import InputError, StorageError
from embed.store import listing, write_bytes
from embed.version import (
    SEGMENT,
    TOMBSTONES,
    newest_of_each,
    newest_version,
    read_table,
    read_version,
    version_url,
    versions,
    without_tombstoned,
    write_table,
)
from tests.embed.vectors import VERSION, asset_of, ledger_row, unit_rows


def segment(*units: tuple[str, int]) -> pa.Table:
    return pa.Table.from_pylist([{**ledger_row(name, num), "commit": b"c" * 16} for name, num in units], schema=SEGMENT)


def test_the_newest_row_of_a_unit_counts() -> None:
    assert newest_of_each(segment(("a", 1), ("b", 2), ("a", 3)))["rows"].to_pylist() == [2, 3]
    assert newest_of_each(segment()).num_rows == 0


def test_equal_tables_are_one_file(storage_url: str) -> None:
    first, again = (write_table(storage_url, "ledger", segment(("a", 1))) for _ in range(2))
    other = write_table(storage_url, "ledger", segment(("a", 2)))
    assert first == again != other
    assert len(listing(storage_url)) == 2
    assert read_table(storage_url, first).equals(segment(("a", 1)))


def test_a_tombstone_hides_one_content_of_one_asset() -> None:
    table = pa.concat_tables([unit_rows("a", ["x"]), unit_rows("a", ["y"], version="size:2"), unit_rows("b", ["z"])])
    stone = {"asset_id": asset_of("a"), "content_version": VERSION, "reason": "gone"}
    stones = pa.Table.from_pylist([stone], schema=TOMBSTONES)
    assert without_tombstoned(table, stones)["text"].to_pylist() == ["y", "z"]
    assert without_tombstoned(table.to_batches()[0], stones).num_rows == 0
    assert without_tombstoned(table, TOMBSTONES.empty_table()).num_rows == 3


def test_versions_are_numbers_and_strangers_are_ignored(tmp_path: Path) -> None:
    url = str(tmp_path)
    assert versions(url) == []
    assert newest_version(url) is None
    for number in (2, 10):
        write_bytes(version_url(url, number), b"{")
    write_bytes(f"{url}/versions/notes.json", b"")
    assert versions(url) == [2, 10]
    with pytest.raises(StorageError, match=r"00000010\.json: damaged"):
        newest_version(url)
    with pytest.raises(InputError, match="no version 3; published: 2, 10"):
        read_version(url, 3)
