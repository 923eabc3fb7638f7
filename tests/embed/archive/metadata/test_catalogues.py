from pathlib import Path

import pytest

from embed.archive.metadata.catalogues import Row, read_catalogue
from embed.errors import InputError
from embed.text.documents import Broken


def rows(path: Path, text: str | bytes, encoding: str | None = None, **columns: str) -> list[Row | Broken]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_catalogue(str(path), "v", columns, encoding))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "file,Title,Station\na.mp3, Débat ,Sud\n\nb.mp3,,\n"),
        ("a.tsv", "Station\tfile_name\ttitle\nSud\ta.mp3\tDébat\n\n\tb.mp3\t\n"),
        ("a.csv", '\ufeffsep=;\r\n"Path";Title;Station\r\na.mp3;Débat;Sud\r\n\r\nb.mp3;;\r\n'),
        ("a.jsonl", '{"filename": "a.mp3", "title": "Débat", "Station": "Sud"}\n\n\n{"filename": "b.mp3", "x": [1]}\n'),
    ],
    ids=["csv", "tsv", "excel", "jsonl"],
)
def test_a_row_is_a_file_and_its_fields(name: str, text: str, tmp_path: Path) -> None:
    first, second = rows(tmp_path / name, text)
    assert isinstance(first, Row)
    assert (first.name, first.fields) == ("a.mp3", {"title": "Débat", "Station": "Sud"})
    assert isinstance(second, Row)
    assert (second.name, second.fields) == ("b.mp3", {})
    assert second.line == text[: text.index("b.mp3")].count("\n") + 1


def test_columns_have_the_names_of_the_user(tmp_path: Path) -> None:
    text = "Datei;Sendetitel;Datum\na.wav;Reis;1.4.2019\n".encode("utf-16")
    (row,) = rows(tmp_path / "a.csv", text, file="Datei", title="Sendetitel", date="Datum")
    assert row == Row(2, "a.wav", {"title": "Reis", "date": "1.4.2019"})
    (row,) = rows(tmp_path / "b.csv", "file;title\na;Émission\n".encode("cp1252"), "cp1252")
    assert row == Row(2, "a", {"title": "Émission"})


def test_rows_that_cannot_be_used_name_their_line(tmp_path: Path) -> None:
    found = rows(tmp_path / "a.csv", 'file,title\n,x\na.mp3,"two\nlines"\nb.mp3,1,2\n"open\nc,1\n')
    reasons = [one.reason if isinstance(one, Broken) else one.line for one in found]
    assert reasons[:2] == ["line 2: no file", 3]
    assert "line 5" in str(reasons[2])
    assert "line 6" in str(reasons[3])
    assert [type(one) for one in rows(tmp_path / "a.jsonl", '{"file": "a"}\n[1]\n{"file": 3}\n')] == [Row, Broken, Row]


@pytest.mark.parametrize(
    ("text", "columns", "reason"),
    [
        ("name,title\na,b\n", {}, r"no column 'file' .*; its columns are 'name', 'title'; name it with"),
        ("file,title\na,b\n", {"file": "Datei"}, r"no column 'Datei' for file; its columns are"),
        ("file,title\na,b\n", {"title": "Titel"}, r"no column 'Titel' for title"),
        ("name,title\n", {}, "no column 'file'"),
        ("", {}, "empty|no header"),
        (b"\x00\x01\x02\x03" * 100, {}, "a.csv"),
        ("file,title\na,\xe9\n".encode("latin-1"), {}, "cp1252|encoding"),
    ],
    ids=["other names", "file", "title", "header alone", "empty", "binary", "encoding"],
)
def test_a_bad_header_is_an_error_with_the_cure(
    text: str | bytes, columns: dict[str, str], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=reason):
        rows(tmp_path / "a.csv", text, None, **columns)
