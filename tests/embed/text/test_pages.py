from pathlib import Path

import pytest

from embed.errors import InputError
from embed.file_kinds import format_of
from embed.text.documents import Document
from embed.text.formats import probe_text, read_documents

PAGE = """<!DOCTYPE html>
<html lang="fr"><head><meta charset="{charset}"><title> Le  marché </title><style>p {{ color: red }}</style></head>
<body><script>var hidden = 1;</script><!-- a note --><h1>Le riz</h1>
<p>Le <b>prix</b> a mon&shy;té<br>de 5&nbsp;&euro;.</p><p hidden>Rien.</p><ul><li>Un<li>Deux</ul>
<table><tr><td>a</td><td>b</td></tr></table></body></html>"""
TEXT = "Le riz\nLe prix a mon\u00adté\nde 5 €.\nUn\nDeux\na\nb"


def documents(path: Path, encoding: str | None = None) -> list[Document]:
    settings = {"encoding": encoding} if encoding else {}
    _, needed = probe_text(str(path), "v", "html", settings)
    unit = {"url": str(path), "content_version": "v", "format": "html", "start": 0, "end": None}
    return [one for one in read_documents({**unit, "columns": list(needed.items())}) if isinstance(one, Document)]


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("utf-8", "utf-8"), ("windows-1252", "cp1252"), ("iso-8859-1", "cp1252"), ("nonsense", "utf-8"), ("x", "utf-16")],
)
def test_the_text_that_a_browser_shows(tmp_path: Path, charset: str, encoding: str) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(PAGE.format(charset=charset).encode(encoding))
    assert documents(path) == [Document(TEXT, "Le marché", lang="fr", metadata={"title": "Le marché"}, place=0)]


def test_an_encoding_that_the_page_does_not_declare(tmp_path: Path) -> None:
    (tmp_path / "a.htm").write_bytes("<p>Le marché a rouvert après l’été près du cœur de la ville.".encode("cp1252"))
    with pytest.raises(InputError, match="set `encoding: cp1252`"):
        documents(tmp_path / "a.htm")
    (found,) = documents(tmp_path / "a.htm", "cp1252")
    assert found.text == "Le marché a rouvert après l’été près du cœur de la ville."


@pytest.mark.parametrize(
    "content", ["a.txt", "<?xml version='1.0'?><p>Bonjour", "&lt;p", "<p>" * 5_000 + "x", "<body>x"]
)
def test_pages_without_any_form_are_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.html").write_text(content)
    assert len(documents(tmp_path / "a.html")) == 1


def test_a_page_without_a_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<html><head></head><body><script>show()</script><div id=app></div></body></html>")
    with pytest.raises(InputError, match=r"a\.html: the page has no text"):
        documents(tmp_path / "a.html")


def test_packed_pages_are_pages() -> None:
    assert [format_of(name, "text") for name in ("a.HTML", "b.htm", "c.html.gz")] == ["html"] * 3


def test_tags_that_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        "<title>T</title><meta name=x><p hidden>No.<p>One <!-- -->and<li>two<?x?> <td>three</HTML>\n<p>4"
    )
    (found,) = documents(tmp_path / "a.html")
    assert (found.title, found.text) == ("T", "One and\ntwo\nthree\n4")


def test_a_page_that_is_nested_too_deeply_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<div>" * 20_000 + "deep")
    with pytest.raises(InputError, match=r"a\.html: not readable as HTML: line 1: .*depth"):
        documents(tmp_path / "a.html")
