import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.errors import InputError
from embed.text import csv_rows
from embed.text.csv_rows import CsvRows
from embed.text.documents import Broken


def read(path: Path) -> tuple[tuple[str, ...], list[tuple[int, dict[str, Any] | Broken]]]:
    rows = CsvRows(str(path))
    try:
        return rows.names, list(rows.read(0, None))
    finally:
        rows.close()


def good(path: Path) -> list[dict[str, Any]]:
    return [found for _, found in read(path)[1] if not isinstance(found, Broken)]


def test_quotes_and_newlines_inside_of_fields(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'id,text\n1,"Il dit ""oui"",\npuis part."\n\n2,plain\n')
    assert read(tmp_path / "a.csv") == (
        ("id", "text"),
        [(0, {"id": "1", "text": 'Il dit "oui",\npuis part.'}), (1, {"id": "2", "text": "plain"})],
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"id,text\n1,one\n"),
        ("a.csv", b"\xef\xbb\xbfid;text\r\n1;one\r\n"),
        ("a.csv", b"\n\nid|text\n1|one"),
        ("a.csv", b"id,text\r1,one\r"),
        ("a.csv", b' id , "text"\n1,one\n'.replace(b' "text"', b'"text"')),
        ("a.tsv", b"id\ttext\n1\tone\n"),
        ("a.csv", b"\xef\xbb\xbfsep=;\r\nid;text\r\n1;one\r\n"),
        ("a.csv", b'"sep=|"\nid|text\n1|one\n'),
        ("a.csv", "id,text\n1,one\n".encode("utf-16")),
        ("a.csv.gz", gzip.compress(b"id,text\n1,one\n")),
        ("a.tsv.gz", gzip.compress(b"id\ttext\n1\tone\n")),
    ],
    ids=[
        "comma",
        "bom, semicolon",
        "bar",
        "old mac",
        "spaces, quotes",
        "tab",
        "Excel",
        "Excel, quotes",
        "UTF-16",
        "packed",
        "packed tab",
    ],
)
def test_the_header_says_how_it_is_written(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path / name) == (("id", "text"), [(0, {"id": "1", "text": "one"})])


def test_bad_rows_are_told_with_their_number_and_line(tmp_path: Path) -> None:
    rows = [b"id,text", b'1,"a', b'b"', b"2,c,d", b"3,\xff", b"4", b"5,e,,"]
    (tmp_path / "a.csv").write_bytes(b"\n".join(rows))
    assert [found for _, found in read(tmp_path / "a.csv")[1]] == [
        {"id": "1", "text": "a\nb"},
        Broken("row 1 (line 4): 3 fields for 2 columns; is a quote missing?", 1, 2),
        Broken("row 2 (line 5): not UTF-8", 2, 3, undecodable=True),
        {"id": "4", "text": ""},
        {"id": "5", "text": "e"},
    ]


def test_a_quote_that_is_never_closed_costs_its_own_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'id,text\n1,a\n2,"b\n3,c\n4,d\n')
    assert [found for _, found in read(tmp_path / "a.csv")[1]] == [
        {"id": "1", "text": "a"},
        Broken("row 1 (line 3): a quote that is never closed", 1, 2),
        {"id": "3", "text": "c"},
        {"id": "4", "text": "d"},
    ]


def test_a_field_that_never_ends_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "FIELD_CHARS", 1000)
    before = csv.field_size_limit(1000)
    try:
        (tmp_path / "a.csv").write_text('id,text\n1,"a\n' + "".join(f"{i},{'x' * 90}\n" for i in range(2, 50)))
        found = read(tmp_path / "a.csv")[1]
    finally:
        csv.field_size_limit(before)
    assert [number for number, one in found if isinstance(one, Broken)] == [0]
    assert len(found) == 49


def test_of_two_columns_of_one_name_the_first_counts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,text,\none,two,three\n")
    assert good(tmp_path / "a.csv") == [{"text": "one"}]


@pytest.mark.parametrize("content", [b"", b"\n\n"], ids=["empty", "blank"])
def test_no_table_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.csv"):
        CsvRows(str(tmp_path / "a.csv"))


CELLS = st.text(alphabet='ab ",\n\r;é\t|', max_size=8)


@pytest.mark.slow
@pytest.mark.fuzz
@settings(max_examples=150, deadline=None, derandomize=True)
@given(cells=st.lists(st.tuples(CELLS, CELLS), max_size=12))
def test_what_was_written_is_read(cells: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "text"), *cells])
    path.write_bytes(text.getvalue().encode())
    assert [(one["id"], one["text"]) for one in good(path)] == cells
