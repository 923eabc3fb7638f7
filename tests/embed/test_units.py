from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from embed import tables
from embed.amount import Amount
from embed.cutting import Cutting
from embed.identity import asset_id
from embed.passages import PassageSpec
from embed.segment import SegmentSpec
from embed.units import plan_units, units_left

CUTTING = Cutting(SegmentSpec(), PassageSpec(), "words")


def cutting(**segment: Any) -> Cutting:
    return replace(CUTTING, segment=SegmentSpec(**segment))


def manifest(**changes: Any) -> pa.Table:
    row = {
        "asset_id": asset_id("radio/a.wav"),
        "uri": "radio/a.wav",
        "url": "/data/radio/a.wav",
        "modality": "speech",
        "format": "audio",
        "size_bytes": 2_500_000,
        "content_version": "etag:1",
        "duration_s": 1500.0,
        "lang": "fr",
        "metadata": [("station", "Sud")],
        "problem": None,
    }
    return pa.Table.from_pylist([{**row, **changes}], schema=tables.MANIFEST)


def spans(units: pa.Table) -> list[tuple[int, int | None]]:
    return list(zip(units["start"].to_pylist(), units["end"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [(0, 600_000), (600_000, 1_200_000), (1_200_000, None)]),
        ({"duration_s": 1200.0}, [(0, 600_000), (600_000, None)]),
        ({"duration_s": None}, [(0, None)]),
        ({"duration_s": 0.01}, [(0, None)]),
        ({"problem": "InputError: damaged"}, [(0, None)]),
        (
            {"modality": "text", "format": "txt", "duration_s": None},
            [(0, 1_000_000), (1_000_000, 2_000_000), (2_000_000, None)],
        ),
    ],
    ids=["speech", "even", "unknown", "short", "problem", "text"],
)
def test_slices(changes: dict[str, Any], expected: list[tuple[int, int | None]]) -> None:
    units = plan_units(manifest(**changes), CUTTING)
    assert units.schema == tables.UNITS
    assert spans(units) == expected
    assert len(set(units["unit_id"].to_pylist())) == len(units)
    assert units["metadata"].to_pylist()[0] == [("station", "Sud")]


def test_ids_follow_content_and_spec_and_nothing_else() -> None:
    def first(manifest: pa.Table, **spec: Any) -> bytes:
        found: bytes = plan_units(manifest, cutting(**spec))["unit_id"][0].as_py()
        return found

    same = first(manifest())
    assert first(manifest(url="s3://elsewhere/a.wav", lang="wo"), halo_s=60) == same
    assert first(manifest(content_version="etag:2")) != same
    assert first(manifest(), threshold=0.6) != same
    assert first(manifest(), unit_s=300) != same


def test_the_cutting_fingerprint_knows_not_how_large_units_are() -> None:
    assert cutting(unit_s=60).speech() == CUTTING.speech()
    assert SegmentSpec(unit_s=60).identity() != SegmentSpec().identity()
    assert cutting(mode="vad").speech() != CUTTING.speech()


def test_left_is_planned_minus_committed() -> None:
    units = plan_units(manifest(), CUTTING)
    ids = units["unit_id"].combine_chunks()
    left, planned, before = units_left(manifest(), CUTTING, ids.take([1]))
    assert left.equals(units.take([0, 2]))
    assert (planned, before) == (Amount(3, 1500.0, 0), Amount(1, 600.0, 0))
    left, _, before = units_left(manifest(), CUTTING, ids.slice(0, 0))
    assert left.equals(units)
    assert before == Amount()
    assert units_left(manifest(), CUTTING, pa.chunked_array([ids]))[0].num_rows == 0
