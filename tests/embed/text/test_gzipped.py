import gzip
import io
import random
from pathlib import Path

import pytest

from embed.errors import ExpandsTooFar, InputError
from embed.text import gzipped as unpacked
from embed.text.gzipped import open_text, text_bytes, unpacking

LETTERS = bytes.maketrans(bytes(range(256)), bytes(b"abcdefghij\n"[n % 11] for n in range(256)))
TEXT = random.Random(0).randbytes(5_000_000).translate(LETTERS)


@pytest.mark.slow
def test_any_place_of_what_is_packed(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(TEXT[:3_000_000]) + gzip.compress(TEXT[3_000_000:]))
    assert text_bytes(str(tmp_path / "a.gz")) == len(TEXT)
    for place in (0, 10, 2_999_990, 4_999_000, 5):
        with open_text(str(tmp_path / "a.gz"), "v") as file:
            file.seek(place)
            assert file.read(100) == TEXT[place : place + 100]


@pytest.mark.slow
def test_the_next_unit_goes_on_and_another_version_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def counting(url: str, encoding: str | None = None) -> io.BufferedReader:
        opened.append(url)
        return unpacking(url, encoding)

    monkeypatch.setattr(unpacked, "unpacking", counting)
    (tmp_path / "b.gz").write_bytes(gzip.compress(TEXT))
    for version, place in [("1", 0), ("1", 1_000_000), ("2", 0), ("1", 2_000_000)]:
        with open_text(str(tmp_path / "b.gz"), version) as file:
            file.seek(place)
            assert file.read(9) == TEXT[place : place + 9]
    assert len(opened) == 2


@pytest.mark.slow
def test_what_comes_before_the_damage_is_kept(tmp_path: Path) -> None:
    packed = gzip.compress(TEXT)
    (tmp_path / "c.gz").write_bytes(packed[: len(packed) // 2])
    num = text_bytes(str(tmp_path / "c.gz"))
    assert 2_000_000 < num < 3_000_000
    with unpacking(str(tmp_path / "c.gz")) as file:
        assert file.read(num - 10) == TEXT[: num - 10]
        with pytest.raises(InputError, match=r"c.gz: damaged gzip: nothing after byte"):
            file.read()


@pytest.mark.parametrize("content", [b"not gzip", b"\x1f\x8b\x08", gzip.compress(b"cut short", mtime=0)[:15]])
def test_what_is_not_packed_at_all_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"d\.gz: damaged gzip"):
        text_bytes(str(tmp_path / "d.gz"))


def test_a_small_file_that_unpacks_to_far_more_is_refused_as_a_whole(tmp_path: Path) -> None:
    text = b"the same words\n" * 500_000
    (tmp_path / "a.gz").write_bytes(gzip.compress(text))
    with pytest.raises(
        ExpandsTooFar, match=r"a.gz: its text: .* bytes or more, unpacked from a file of .*; the most is"
    ):
        text_bytes(str(tmp_path / "a.gz"))
    (tmp_path / "b.gz").write_bytes(gzip.compress(text + random.Random(0).randbytes(len(text) // 150)))
    assert text_bytes(str(tmp_path / "b.gz")) > len(text)
