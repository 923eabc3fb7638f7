import pytest

from embed.archive.metadata.catalogue_names import CatalogueNames
from embed.archive.metadata.catalogues import Row
from embed.text.documents import Broken

FILES = ["/r/a.wav", "/r/1999/a.wav", "/r/1999/b.wav", "/r/2000/b.wav", "/r/2000/\u00e9.wav", "/r/x y/C.wav"]


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("a.wav", "/r/a.wav"),
        ("./1999/a.wav", "/r/1999/a.wav"),
        ("../1999/b.wav", "/r/1999/b.wav"),  # from the catalogue's folder
        ("/r/2000/b.wav", "/r/2000/b.wav"),
        ("2000/E\u0301.WAV", "/r/2000/\u00e9.wav"),
        ("e\u0301.wav", "/r/2000/\u00e9.wav"),
        ("D:\\Radio\\1999\\b.wav", "/r/1999/b.wav"),
        ("http://example.org/x y/c.wav", "/r/x y/C.wav"),
        ("s3://bucket/r/1999/a.wav", "/r/1999/a.wav"),
        ("b.wav", None),  # of two files
        ("D:\\Radio\\2001\\b.wav", None),
        ("wav", None),
        ("a.mp3", None),
        ("..", None),
    ],
)
def test_a_name_is_that_of_the_one_file_that_it_may_mean(name: str, url: str | None) -> None:
    row = Row(2, name, {})
    assert list(CatalogueNames(FILES, "/r", "/r/lists").placed([row])) == [(url, row)]


def test_rows_that_are_broken_have_no_file() -> None:
    broken = Broken("no file", 0, 1)
    assert list(CatalogueNames(FILES, "/r", "/r").placed([broken])) == [(None, broken)]
