"""Table of repeats: spans that continue one another are one."""

from typing import Any

import pyarrow as pa

from embed.identity import digest
from embed.repeats.table import REPEATS, joined


def row(
    uri: str, start_s: float, end_s: float, of_start_s: float, speed: float = 1.0, of: str = "first"
) -> dict[str, Any]:
    ids = {"asset_id": digest(uri), "of_asset_id": digest(of), "unit_id": digest("unit")}
    places = {"start_s": start_s, "end_s": end_s, "of_start_s": of_start_s, "speed": speed, "peaks": int(end_s)}
    return {**ids, "uri": uri, "of_uri": of, **places}


def test_spans_that_continue_one_another_are_one_and_others_are_not() -> None:
    rows = [
        row("b", 600.0, 630.0, 100.0),  # ends with its unit
        row("b", 629.0, 640.0, 129.1),  # and continues in the next
        row("b", 641.0, 650.0, 500.0),  # another place
        row("b", 651.0, 660.0, 510.1, of="other"),  # another recording
        row("a", 650.0, 660.0, 509.0),
        row("c", 0.0, 100.0, 0.0, speed=1.02),
        row("c", 101.0, 200.0, 103.1, speed=1.02),
    ]
    found = joined(pa.Table.from_pylist(rows, schema=REPEATS)).to_pylist()
    assert [(one["uri"], one["start_s"], one["end_s"]) for one in found] == [
        ("a", 650.0, 660.0),
        ("b", 600.0, 640.0),
        ("b", 641.0, 650.0),
        ("b", 651.0, 660.0),
        ("c", 0.0, 200.0),
    ]
    assert found[1]["peaks"] == 640
