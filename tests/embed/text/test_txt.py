from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.text import txt as paragraphs
from embed.text.documents import Broken, Document
from embed.text.txt import read_paragraphs


def read(path: Path, size: int | None = None) -> list[Document | Broken]:
    """All of a file, in units of `size` bytes."""
    length = path.stat().st_size
    step = size or max(length, 1)
    found: list[Document | Broken] = []
    for start in range(0, length, step):
        found += read_paragraphs(str(path), "v", start, start + step if start + step < length else None)
    return found


def texts(found: list[Document | Broken]) -> list[str]:
    return [one.text.strip() for one in found if isinstance(one, Document)]


def test_paragraphs_with_their_characters(tmp_path: Path) -> None:
    text = "\ufeffÉté à Dakar.\nDeuxième ligne.\n\n \n  Nit ñi. \r\n\r\nFin"
    (tmp_path / "a.txt").write_bytes(text.encode())
    found = read(tmp_path / "a.txt")
    assert texts(found) == ["\ufeffÉté à Dakar.\nDeuxième ligne.", "Nit ñi.", "Fin"]
    documents = [one for one in found if isinstance(one, Document)]
    assert "".join(one.text for one in documents) == text
    assert all(text[one.first_char :].startswith(one.text) for one in documents)
    assert [one.place for one in documents] == [
        0,
        len(text[: documents[1].first_char].encode()),
        len(text.encode()) - 3,
    ]


@pytest.mark.parametrize("size", [None, 3, 8])
def test_a_paragraph_that_is_not_utf8_is_told_and_places_stay_right(tmp_path: Path, size: int | None) -> None:
    (tmp_path / "a.txt").write_bytes("Été.\n\n".encode() + "Été.\n\n".encode("latin-1") + "Après.".encode())
    first, second, third = read(tmp_path / "a.txt", size)
    assert first == Document("Été.\n\n", place=0, first_char=0)
    assert second == Broken("paragraph at byte 8: not UTF-8", 8, 14, undecodable=True)
    assert third == Document("Après.", place=14, first_char=12)


def test_old_line_ends_are_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"One.\r\rTwo.\r\rThree.")
    assert texts(read(tmp_path / "a.txt")) == ["One.", "Two.", "Three."]


@pytest.mark.slow
def test_units_in_order_count_no_character_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted is read once: a worker goes on from the unit before."""
    counted = 0
    plain = paragraphs._num_chars

    def counting(block: bytes) -> int:
        nonlocal counted
        counted += len(block)
        return plain(block)

    monkeypatch.setattr(paragraphs, "_num_chars", counting)
    (tmp_path / "a.txt").write_bytes("Un é.\n\n".encode() * 200_000)
    size = (tmp_path / "a.txt").stat().st_size
    assert len(read(tmp_path / "a.txt", 300_000)) == 200_000
    assert counted < 3 * size  # blocks at the edges of units are looked at by both


PIECES = st.sampled_from(["", " ", "Un é.", "Deux mots. Trois!", "ñ" * 70, "\ufeffx", "𝄞" * 9, "a b " * 30])


@pytest.mark.slow
@pytest.mark.fuzz
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    lines=st.lists(PIECES, min_size=1, max_size=30),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    size=st.integers(1, 90),
    grid=st.integers(16, 200),
)
def test_units_of_any_size_give_the_same_paragraphs(
    lines: list[str], newline: str, size: int, grid: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("units") / "a.txt"
    text = newline.join(lines)
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paragraphs, "_GRID", grid)
        patch.setattr(paragraphs, "_REACH", 12)
        patch.setattr(paragraphs, "_COUNTED", {})
        whole = read(path)
        assert read(path, size) == whole
        assert "".join(one.text for one in whole if isinstance(one, Document)) == text


@pytest.mark.parametrize(
    ("front", "kept"),
    [
        ("---\ntitle: Riz\n---\n", ""),
        ("\ufeff---\r\ntitle: Riz\r\ntags:\r\n  - a\r\n---\r\n", ""),
        ("+++\ntitle = 'Riz'\n+++\n\n", ""),
        ("---\n\nA rule first.\n\n---\n", "---\n\nA rule first.\n\n---\n"),
        ("---\ntitle: never closed\n\n", "---\ntitle: never closed\n\n"),
    ],
    ids=["yaml", "bom", "toml", "rules", "open"],
)
def test_front_matter_is_left_out_of_markdown(tmp_path: Path, front: str, kept: str) -> None:
    text = f"{front}# Le riz\n\nIl coûte cher.\n"
    (tmp_path / "a.md").write_bytes(text.encode())
    (tmp_path / "a.txt").write_bytes(text.encode())
    for size in (None, 20):
        documents = [one for one in read(tmp_path / "a.md", size) if isinstance(one, Document)]
        assert "".join(one.text for one in documents) == f"{kept}# Le riz\n\nIl coûte cher.\n"
        assert all(text[one.first_char :].startswith(one.text) for one in documents)
    assert len(read(tmp_path / "a.txt")) >= len(documents)
