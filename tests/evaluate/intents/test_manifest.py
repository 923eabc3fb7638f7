import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.errors import InputError
from evaluate.intents.manifest import read_requests
from evaluate.intents.requests import Request

ROWS: list[dict[str, Any]] = [
    {"text": "what time is it", "label": "time", "lang": "en", "template": "t7", "speaker": "ann", "part": "test"},
    {"audio": "a.wav", "label": "time", "lang": "wo", "voice": "bo", "offset": 1.5, "duration": 2},
]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_rows_of_any_format_are_requests(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"requests.{kind}"
    names = list(dict.fromkeys(name for row in ROWS for name in row))
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    elif kind == "csv":
        lines = [",".join(names), *(",".join(str(row.get(name, "")) for name in names) for row in ROWS)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        pq.write_table(pa.table({name: [row.get(name) for row in ROWS] for name in names}), path)
    place = "line" if kind == "jsonl" else "row"
    assert read_requests(str(path)) == [
        Request("time", "en", "what time is it", "", "t7", "ann", "test", place=f"{path}, {place} 1"),
        Request("time", "wo", "", str(tmp_path / "a.wav"), "", "bo", None, 1.5, 2.0, f"{path}, {place} 2"),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label": "a", "lang": "fr"}, "line 1: neither text nor audio"),
        ({"text": "a", "lang": "fr"}, "line 1: label is missing"),
        ({"text": "a", "label": "a"}, "line 1: lang is missing"),
        ({"text": 1.5, "label": "a", "lang": "fr"}, r"line 1: text is 1\.5; give a text"),
        ({"text": "a", "label": "a", "lang": "fr", "part": "all"}, "line 1: part is 'all'"),
        ({"audio": "a.wav", "label": "a", "lang": "fr", "offset": "soon"}, "line 1: offset is 'soon'; give seconds"),
        ({"audio": "a.wav", "label": "a", "lang": "fr", "duration": 0}, "line 1: duration is 0"),
    ],
)
def test_a_broken_row_is_named(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(InputError, match=rf"r\.jsonl, {message}"):
        read_requests(str(tmp_path / "r.jsonl"))


def test_a_manifest_without_rows_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such manifest of requests; correct `data`"):
        read_requests(str(tmp_path / "gone.jsonl"))
    (tmp_path / "r.jsonl").touch()
    with pytest.raises(InputError, match="no rows; list requests"):
        read_requests(str(tmp_path / "r.jsonl"))
