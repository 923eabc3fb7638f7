"""The typed rows have the fields of their schemas."""

from typing import Any, get_type_hints

import pyarrow as pa
import pytest

from embed.tables import (
    CUTS,
    FAILURES,
    LEDGER,
    MANIFEST,
    SEGMENT,
    UNITS,
    CutUnit,
    FailureRow,
    LedgerRow,
    Segment,
    Unit,
    failure_row,
    ledger_row,
    manifest_of,
)

ROWS = {
    "unit": (Unit, UNITS),
    "segment": (Segment, SEGMENT),
    "cut": (CutUnit, CUTS),
    "failure": (FailureRow, FAILURES),
    "ledger": (LedgerRow, LEDGER),
}


@pytest.mark.parametrize(("row", "schema"), ROWS.values(), ids=ROWS)
def test_a_typed_row_has_the_fields_of_its_schema(row: Any, schema: Any) -> None:
    hints = get_type_hints(row)
    assert list(hints) == [field.name for field in schema]
    for field in schema:
        assert ("None" in str(hints[field.name])) == field.nullable, field.name


def test_a_failure_is_of_its_unit_or_of_a_span_of_it() -> None:
    unit = {"unit_id": b"u", "asset_id": b"a", "uri": "radio/a.mp3", "start": 0, "end": None}
    whole = failure_row(unit, "decode", "InputError", "cut off", lost_s=2.5)
    assert (whole["start"], whole["end"], whole["lost_s"], whole["attempts"]) == (0, None, 2.5, 1)
    part = failure_row(unit, "encode", "ValueError", "not finite", span=(10, 20), attempts=2)
    assert (part["start"], part["end"], part["lost_s"], part["attempts"]) == (10, 20, 0.0, 2)


def test_a_ledger_row_has_no_seconds_but_those_given() -> None:
    row = ledger_row({"unit_id": b"u", "asset_id": b"a", "content_version": "etag:1"}, "skipped", decoded_s=2.0)
    assert (row["outcome"], row["rows"], row["decoded_s"], row["lost_s"]) == ("skipped", 0, 2.0, 0.0)
    assert list(row) == LEDGER.names


def test_a_manifest_of_an_older_version_has_nulls_for_newer_columns() -> None:
    older = MANIFEST.empty_table().drop_columns(["track", "tracks"])
    assert manifest_of(older).schema == MANIFEST
    some = manifest_of(pa.table({"uri": ["in/a.wav"]}), ["tracks", "uri"])
    assert some.to_pylist() == [{"tracks": None, "uri": "in/a.wav"}]
