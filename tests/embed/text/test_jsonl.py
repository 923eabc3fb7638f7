import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from embed.errors import InputError
from embed.text import jsonl as json_lines
from embed.text.documents import Broken, Columns, Document
from embed.text.jsonl import first_records, read_json_lines, records, refuse_absent_columns


def read(path: Path, **columns: str) -> list[Document | Broken]:
    return list(read_json_lines(str(path), "v", Columns(columns), 0, None))


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_beir_as_it_is(tmp_path: Path) -> None:
    path = write(
        tmp_path / "corpus.jsonl",
        {"_id": "d1", "title": "Dakar", "text": "Une ville.", "metadata": {"url": "x"}},
        {"_id": "d2", "title": "", "text": "Sans titre.", "metadata": {}},
    )
    second = len(path.read_bytes().splitlines(keepends=True)[0])
    assert read(path) == [
        Document("Une ville.", "Dakar", "d1", None, {"title": "Dakar"}, 0),
        Document("Sans titre.", "", "d2", None, {}, second),
    ]


def test_broken_lines_are_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    good = b'{"_id": "a", "text": "Bien."}\n'
    bad = [
        b'{"_id": "b", "text": \n',
        b'{"_id": "c", "text": "\xff\xfe"}\n',
        b"[1]\n",
        b'{"_id": "e"}\n',
        b'{"_id": "f", "text": "\\ud800"}\n',
        b"[" * 100_000 + b"\n",
        b'{"_id": "g", "text": "x", "n": ' + b"9" * 5000 + b"}\n",
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + good + b"".join(bad) + b" \n" + good.replace(b'"a"', b'"z"'))
    found = read(tmp_path / "a.jsonl")
    assert [one.item for one in found if isinstance(one, Document)] == ["a", "z"]
    broken = [one for one in found if isinstance(one, Broken)]
    assert len(broken) == len(bad)
    assert (broken[0].start, broken[0].end) == (3 + len(good), 3 + len(good) + len(bad[0]))
    assert all(one.reason.startswith(f"line at byte {one.start}: ") for one in broken)


def test_a_line_without_an_id_is_named_by_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "a"}, {"text": "a"})
    assert [one.item for one in read(path) if isinstance(one, Document)] == ["byte 0", "byte 14"]


def test_an_endless_line_is_told_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_LINE_BYTES", 64)
    path = write(tmp_path / "a.jsonl", {"_id": "a", "text": "x" * 1000}, {"_id": "b", "text": "y"})
    long, short = read(path)
    assert isinstance(long, Broken)
    assert long.end == path.read_bytes().index(b"\n") + 1
    assert isinstance(short, Document)
    assert list(read_json_lines(str(path), "v", Columns(), 5, None)) == [short]


def test_packed_lines_are_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *({"_id": str(i), "text": "mot " * i} for i in range(1, 200)))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read(tmp_path / "a.jsonl.gz") == read(path)


def test_a_mapping_that_fits_no_line_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"body": "x", "n": 1}, {"body": "y", "m": 1})
    refuse_absent_columns(str(path), "v", Columns({"text": "body", "lang": "not in every line"}))
    with pytest.raises(InputError, match="no column 'text' for text; the columns are 'body', 'n', 'm'"):
        refuse_absent_columns(str(path), "v", Columns())


def test_first_records_and_all_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\n{"a": 1}\n[2]\n{"a": 3}')
    assert first_records(str(tmp_path / "a.jsonl"), "v") == [{"a": 1}, {"a": 3}]
    found = list(records(str(tmp_path / "a.jsonl"), "v"))
    assert [number for number, _ in found] == [2, 3, 4]
    assert [isinstance(one, Broken) for _, one in found] == [False, True, False]
