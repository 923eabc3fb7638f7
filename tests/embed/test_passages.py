import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.errors import InputError
from embed.passages import Broken, Passage, PassageSpec, read_passages, spans


def read(path: Path, size: int | None = None, spec: PassageSpec | None = None) -> list[Passage | Broken]:
    """All of a file, in units of `size` bytes."""
    step = size or max(path.stat().st_size, 1)
    found: list[Passage | Broken] = []
    for start in range(0, path.stat().st_size, step):
        end = start + step if start + step < path.stat().st_size else None
        found += read_passages(str(path), start, end, spec or PassageSpec())
    return found


def texts(text: str, spec: PassageSpec) -> list[str]:
    return [text[start:end] for start, end in spans(text, spec)]


def test_sentences_are_packed_up_to_the_size() -> None:
    text = "One is here. Two is there! Is three? Four ends it."
    assert texts(text, PassageSpec(max_chars=50)) == [text]
    text = "Aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb. Cccc cccc cccc cccc cccc. Dd."
    assert texts(text, PassageSpec(max_chars=50)) == [
        "Aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb.",
        "Cccc cccc cccc cccc cccc. Dd.",
    ]


def test_overlap_repeats_whole_sentences() -> None:
    text = "Aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb. Cccc cccc. Dd."
    assert texts(text, PassageSpec(max_chars=50, overlap=21)) == [
        "Aaaa aaaa aaaa aaaa aaaa. Bbbb bbbb bbbb bbbb.",
        "Bbbb bbbb bbbb bbbb. Cccc cccc. Dd.",
    ]


def test_a_sentence_that_is_too_long_is_cut_at_a_space_or_where_it_must() -> None:
    assert texts("word " * 30, PassageSpec(max_chars=50)) == [("word " * 10).strip()] * 3
    assert texts("x" * 120, PassageSpec(max_chars=50)) == ["x" * 50, "x" * 50, "x" * 20]


def test_paragraphs_of_a_text_file_with_their_characters(tmp_path: Path) -> None:
    text = "\ufeffÉté à Dakar.\nDeuxième ligne.\n\n \n  Nit ñi. \r\n\r\nFin"
    (tmp_path / "a.txt").write_bytes(text.encode())
    found = read(tmp_path / "a.txt")
    assert [one.text for one in found if isinstance(one, Passage)] == [
        "Été à Dakar.\nDeuxième ligne.",
        "Nit ñi.",
        "Fin",
    ]
    assert all(isinstance(one, Passage) and text[one.start : one.end] == one.text for one in found)


def test_documents_of_a_jsonl_file(tmp_path: Path) -> None:
    lines = [
        {"_id": "d1", "title": "Dakar", "text": "Une ville.", "lang": "fr", "year": 1857, "tags": ["x"]},
        {"_id": 2, "text": "Sans titre."},
        {"_id": "d3", "title": "Only a title", "text": ""},
    ]
    (tmp_path / "corpus.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    assert read(tmp_path / "corpus.jsonl") == [
        Passage("Dakar\nUne ville.", 0, 10, "d1", "fr", {"title": "Dakar", "year": "1857"}),
        Passage("Sans titre.", 0, 11, "2"),
        Passage("Only a title", 0, 0, "d3", None, {"title": "Only a title"}),
    ]


def test_broken_lines_are_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    good = b'{"_id": "a", "text": "Bien."}\n'
    bad = [
        b'{"_id": "b", "text": \n',
        b'{"_id": "c", "text": "\xff\xfe"}\n',
        b"[1]\n",
        b'{"text": "x"}\n',
        b'{"_id": "e"}\n',
    ]
    half = b'{"_id": "f", "text": "\\ud800"}\n'
    (tmp_path / "a.jsonl").write_bytes(good + b"".join(bad) + half + good.replace(b'"a"', b'"z"'))
    found = read(tmp_path / "a.jsonl")
    assert [one.item for one in found if isinstance(one, Passage)] == ["a", "z"]
    broken = [one for one in found if isinstance(one, Broken)]
    assert len(broken) == 6
    assert (broken[0].start, broken[0].end) == (len(good), len(good) + len(bad[0]))
    assert ["no _id" in one.reason for one in broken].count(True) == 1


def test_a_paragraph_that_is_not_utf8_is_told_and_places_stay_right(tmp_path: Path) -> None:
    raw = "Été.\n\n".encode() + "Été.\n\n".encode("latin-1") + "Après.".encode()
    (tmp_path / "a.txt").write_bytes(raw)
    for size in (None, 3, 8):
        first, second, third = read(tmp_path / "a.txt", size)
        assert first == Passage("Été.", 0, 4)
        assert second == Broken("paragraph at byte 8: not UTF-8", 8, 14)
        assert third == Passage("Après.", 12, 18)


lines = st.lists(st.sampled_from(["", " ", "Un é.", "Deux mots. Trois!", "ñ" * 70, "\ufeffx"]), min_size=1, max_size=12)


@pytest.mark.fuzz
@settings(max_examples=100, deadline=None, derandomize=True)
@given(lines=lines, newline=st.sampled_from(["\n", "\r\n"]), size=st.integers(1, 60))
def test_units_of_any_size_give_the_same_passages(
    lines: list[str], newline: str, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("units")
    spec = PassageSpec(max_chars=50)
    (folder / "a.txt").write_bytes(newline.join(lines).encode())
    assert read(folder / "a.txt", size, spec) == read(folder / "a.txt", None, spec)
    documents = [json.dumps({"_id": f"{number}", "text": line}) for number, line in enumerate(lines)]
    (folder / "a.jsonl").write_bytes(newline.join(documents).encode())
    assert read(folder / "a.jsonl", size, spec) == read(folder / "a.jsonl", None, spec)


def test_missing_and_empty_files_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    for name in ("a.txt", "absent.txt"):
        with pytest.raises(InputError, match=name):
            list(read_passages(str(tmp_path / name), 0, None, PassageSpec()))
