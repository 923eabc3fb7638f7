"""Small units travel together, large ones alone; nothing is left out or mixed."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.embedding.parcels import AT_MOST, parcels


def units(*planned: tuple[str, int]) -> pa.Table:
    rows = [{"unit_id": bytes(16), "modality": kind, "planned": size} for kind, size in planned]
    return pa.Table.from_pylist(rows, schema=pa.schema([("unit_id", pa.binary(16)), ("modality", pa.string()),
                                                        ("planned", pa.int64())]))  # fmt: skip


def sizes(table: pa.Table) -> list[list[int]]:
    return [parcel["planned"].to_pylist() for parcel in parcels(table, unit_ms=100, unit_bytes=1000)]


def test_clips_share_a_parcel_until_it_is_as_long_as_a_unit() -> None:
    assert sizes(units(*[("speech", 40)] * 5)) == [[40, 40], [40, 40], [40]]
    assert sizes(units(("speech", 100), ("speech", 100), ("speech", 7))) == [[100], [100], [7]]


def test_modalities_are_not_mixed_and_have_their_own_measure() -> None:
    table = units(("speech", 50), ("text", 900), ("text", 100), ("text", 1), ("speech", 5))
    assert sizes(table) == [[50], [900, 100], [1], [5]]


def test_units_of_unknown_length_are_not_piled_up_without_end() -> None:
    table = units(*[("text", 0)] * 200)
    assert [len(found) for found in sizes(table)] == [AT_MOST, AT_MOST, AT_MOST, 200 - 3 * AT_MOST]


def test_no_units_are_no_parcels() -> None:
    assert parcels(units(), 100, 1000) == []


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(["speech", "text"]), st.integers(0, 1500)), max_size=40))
def test_parcels_are_the_units_in_order(planned: list[tuple[str, int]]) -> None:
    table = units(*planned)
    found = parcels(table, 100, 1000)
    assert [row for parcel in found for row in parcel.to_pylist()] == table.to_pylist()
    assert all(len(set(parcel["modality"].to_pylist())) == 1 for parcel in found)
