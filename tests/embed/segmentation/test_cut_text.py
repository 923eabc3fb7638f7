import json
from pathlib import Path
from typing import Any

import pytest

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.segmentation.cut import cut
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units
from tests.embed.sounds import LETTERS

Row = dict[str, Any]


def rows_of(folder: Path, columns: dict[str, str] | None = None, **passage: int) -> list[Row]:
    spec = PassageSpec(**{"max_tokens": 50, "overlap_tokens": 0, **passage})
    cutting = Cutting(SegmentSpec(), spec, LETTERS.digest)
    assets = list_assets([InputSpec.parse({"url": str(folder), "name": "in", "columns": columns or {}})])
    found: list[Row] = cut(plan_units(assets, cutting), cutting, LETTERS).to_pylist()
    return found


def segments(rows: list[Row]) -> list[Row]:
    return [one for row in rows for one in row["segments"]]


def failures(rows: list[Row]) -> list[Row]:
    return [one for row in rows for one in row["failures"]]


def test_a_title_goes_before_every_passage(tmp_path: Path) -> None:
    text = "A first sentence of forty letters, or so. And a second one, as long as the first."
    records = [{"_id": "a", "title": "word " * 30, "text": text}, {"_id": "b", "title": "Alone.", "text": " "}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    first, second, alone = segments(rows_of(tmp_path))
    title = ("word " * 13).strip()
    assert [one["text"] for one in (first, second)] == [
        f"{title}\n{text[one['start'] : one['end']]}" for one in (first, second)
    ]
    assert (alone["item"], alone["text"], alone["start"], alone["end"]) == ("b", "Alone.", 0, 6)
    assert dict(first["metadata"])["title"] == "word " * 30


def test_ids_are_unique_where_documents_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"_id": "a", "text": "Same."}\n' * 3)
    (tmp_path / "b.csv").write_text("id,text\n" + "a,Same.\n" * 3)
    (tmp_path / "c.txt").write_text("Same.\n\n" * 3)
    found = segments(rows_of(tmp_path))
    assert [one["text"] for one in found] == ["Same."] * 9
    assert len({one["segment_id"] for one in found}) == 9


@pytest.mark.parametrize(("unit_bytes", "unit_rows"), [(20, 1), (64, 3)])
def test_units_of_any_size_give_the_same_ids(tmp_path: Path, unit_bytes: int, unit_rows: int) -> None:
    (tmp_path / "a.txt").write_text("Première phrase. Deuxième.\n\n" * 9)
    (tmp_path / "b.jsonl").write_text('{"_id": "a", "text": "Une phrase. Une autre."}\n' * 9)
    (tmp_path / "c.csv").write_text("id,text\n" + 'a,"Une\nphrase."\n' * 9)
    whole, parts = rows_of(tmp_path), rows_of(tmp_path, unit_bytes=unit_bytes, unit_rows=unit_rows)
    assert len(parts) > len(whole)
    assert [one["segment_id"] for one in segments(parts)] == [one["segment_id"] for one in segments(whole)]
    assert failures(parts) == failures(whole) == []


def test_a_wrong_mapping_is_one_failure_of_the_asset(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,body\n" + "a,b\n" * 9)
    (tmp_path / "b.jsonl").write_text('{"_id": "a", "body": "b"}\n' * 9)
    rows = rows_of(tmp_path, unit_rows=2, unit_bytes=20)
    assert [(one["uri"], one["stage"]) for one in failures(rows)] == [("in/a.csv", "probe"), ("in/b.jsonl", "probe")]
    assert all("no column 'text'" in one["message"] for one in failures(rows))
    assert len(segments(rows_of(tmp_path, {"text": "body"}))) == 18


def test_broken_rows_are_told_by_number_and_too_many_together(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n" + "a,\n" * 120 + "b,Fin.\n")
    rows = rows_of(tmp_path)
    told = failures(rows)
    assert [one["text"] for one in segments(rows)] == ["Fin."]
    assert len(told) == 101
    assert told[7]["message"] == f"{tmp_path}/a.csv: row 7: no text"
    assert (told[7]["start"], told[7]["end"], told[7]["stage"]) == (7, 8, "segment")
    assert told[-1]["message"].endswith("20 more, from row 100: no text, to row 119: no text")
    assert (told[-1]["start"], told[-1]["end"]) == (100, 120)


def test_a_list_with_broken_lines_fails_by_them(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"audio_filepath": "gone.wav", "duration": 1}\n{"audio_filepath": "x.wav"}\n')
    (tmp_path / "metadata.csv").write_text("file_name\n,\n")
    assert [(one["uri"], one["message"].rpartition("/")[2]) for one in failures(rows_of(tmp_path))] == [
        ("in/gone.wav#t=0,1", "gone.wav: no such file; check the path"),
        ("in/a.jsonl", "a.jsonl: line 2: no duration"),
        ("in/metadata.csv", "metadata.csv: row 0: no file_name"),
    ]
