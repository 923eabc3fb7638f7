"""The typed rows have the fields of their schemas."""

from typing import Any, get_type_hints

import pytest

from embed.tables import CUTS, SEGMENT, UNITS, CutUnit, Segment, Unit

ROWS = {"unit": (Unit, UNITS), "segment": (Segment, SEGMENT), "cut": (CutUnit, CUTS)}


@pytest.mark.parametrize(("row", "schema"), ROWS.values(), ids=ROWS)
def test_a_typed_row_has_the_fields_of_its_schema(row: Any, schema: Any) -> None:
    hints = get_type_hints(row)
    assert list(hints) == [field.name for field in schema]
    for field in schema:
        assert ("None" in str(hints[field.name])) == field.nullable, field.name
