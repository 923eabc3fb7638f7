import pyarrow as pa

from embed.dataset.tombstones import forgotten, forgotten_rows, merged_tombstones
from embed.dataset.version import FORGOTTEN, GONE, REPLACED, TOMBSTONES
from tests.embed.vectors import VERSION, asset_of, begin, manifest


def stones(*rows: tuple[str, str, str]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"asset_id": asset_of(name), "content_version": version, "reason": why} for name, version, why in rows],
        schema=TOMBSTONES,
    )


def told(table: pa.Table) -> set[tuple[bytes, str, str]]:
    return {tuple(row.values()) for row in table.to_pylist()}


def test_one_row_a_pair_and_the_newest_reason() -> None:
    merged = merged_tombstones(stones(("a", "1", GONE), ("b", "1", GONE)), stones(("a", "1", REPLACED)), None)
    assert told(merged) == told(stones(("a", "1", REPLACED), ("b", "1", GONE)))
    assert merged_tombstones(stones(("b", "1", GONE)), stones(("a", "1", REPLACED)), None).equals(
        merged_tombstones(stones(("a", "1", REPLACED)), stones(("b", "1", GONE)), None)
    )


def test_what_is_listed_again_is_lifted_unless_forgotten() -> None:
    old = stones(("a", VERSION, GONE), ("a", "1", GONE), ("b", VERSION, FORGOTTEN))
    assert told(merged_tombstones(old, None, manifest("a", "b"))) == told(
        stones(("a", "1", GONE), ("b", "", FORGOTTEN))
    )


def test_what_is_forgotten_is_one_row_for_whatever_content() -> None:
    old = stones(("a", "1", GONE), ("b", "1", GONE))
    merged = merged_tombstones(old, forgotten_rows(pa.array([asset_of("a")], pa.binary(16))), None)
    assert told(merged) == told(stones(("a", "", FORGOTTEN), ("b", "1", GONE)))
    assert told(merged_tombstones(merged, None, None, forgotten_only=True)) == told(stones(("a", "", FORGOTTEN)))


def test_without_a_reason_content_was_replaced() -> None:
    more = stones(("a", "1", GONE)).drop_columns("reason")
    assert told(merged_tombstones(None, more, None)) == told(stones(("a", "1", REPLACED)))


def test_nothing_is_forgotten_where_nothing_is(storage_url: str) -> None:
    begin(storage_url)
    assert forgotten(storage_url).to_pylist() == []
