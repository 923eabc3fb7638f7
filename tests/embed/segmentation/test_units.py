from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from embed import tables
from embed.amount import Amount
from embed.identity import asset_id, digest
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units, units_left

CUTTING = Cutting(SegmentSpec(), PassageSpec(), "words")
TEXT = {"modality": "text", "duration_s": None}
UTTERANCE = {"format": "utterance", "duration_s": None}


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
        ({**TEXT, "format": "txt"}, [(0, 1_000_000), (1_000_000, 2_000_000), (2_000_000, None)]),
        ({**TEXT, "format": "jsonl", "items": 1_000_001}, [(0, 1_000_000), (1_000_000, None)]),
        ({**TEXT, "format": "csv", "items": 4001}, [(0, 2000), (2000, 4000), (4000, None)]),
        ({**TEXT, "format": "parquet", "items": 0}, [(0, None)]),
        ({**UTTERANCE, "start_ms": 1500, "end_ms": 4000}, [(1500, 4000)]),
        ({**UTTERANCE, "start_ms": 1500, "end_ms": 700_000}, [(1500, 601_500), (601_500, 700_000)]),
        ({**UTTERANCE, "start_ms": 1500, "end_ms": 4000, "problem": "InputError: gone"}, [(1500, 4000)]),
    ],
    ids=["speech", "even", "unknown", "short", "problem", "text", "packed", "rows", "no rows", "said", "long", "gone"],
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


def test_what_is_planned_is_sound_or_bytes() -> None:
    def planned(**changes: Any) -> list[int]:
        found: list[int] = plan_units(manifest(**changes), CUTTING)["planned"].to_pylist()
        return found

    assert planned() == [600_000, 600_000, 300_000]
    assert planned(**TEXT, format="txt") == [1_000_000, 1_000_000, 500_000]
    assert planned(**TEXT, format="csv", items=5000) == [1_000_000, 1_000_000, 500_000]
    assert planned(**UTTERANCE, start_ms=500, end_ms=2500) == [2000]
    assert planned(problem="InputError: damaged") == [0]


def test_the_quick_way_to_ids_is_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over more assets than are looked at together, with names that JSON writes in its own way."""
    monkeypatch.setattr("embed.segmentation.units._AT_ONCE", 3)
    rows = [
        manifest(asset_id=asset_id(f"{n}"), content_version=f'"é\\{n}\n', duration_s=n * 500.0).to_pylist()[0]
        for n in range(10)
    ]
    assets = pa.Table.from_pylist(rows, schema=tables.MANIFEST)
    units = plan_units(assets, CUTTING)
    assert units["unit_id"].to_pylist() == [
        digest("unit", one["asset_id"], one["content_version"], CUTTING.speech(), one["start"], one["end"])
        for one in units.to_pylist()
    ]
    assert units["asset_id"].to_pylist() == [
        row["asset_id"] for row in rows for _ in range(max(-(-int(row["duration_s"]) // 600), 1))
    ]
    left, _, _ = units_left(assets, CUTTING, units["unit_id"].combine_chunks().take([0, 4, 5]))
    assert left.equals(units.take([n for n in range(units.num_rows) if n not in (0, 4, 5)]))


def test_an_empty_manifest_has_no_units() -> None:
    assert plan_units(tables.MANIFEST.empty_table(), CUTTING).equals(tables.UNITS.empty_table())
    assert units_left(tables.MANIFEST.empty_table(), CUTTING, pa.array([], tables.ID))[1] == Amount()
