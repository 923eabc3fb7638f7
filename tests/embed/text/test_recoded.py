import io
import random

import pytest

from embed.text import recoded
from embed.text.recoded import Recoded

TEXT = "".join(random.Random(0).choices("aé€я日本\n 𝄞z", k=40_000))


def stream(data: bytes, encoding: str) -> io.BufferedReader:
    return io.BufferedReader(Recoded(io.BytesIO(data), encoding))


@pytest.mark.parametrize(
    "encoding", ["cp1252", "cp932", "gb18030", "utf-16", "utf-16-be", "utf-7", "iso2022_jp", "utf-32"]
)
def test_any_place_is_the_same_as_in_the_whole(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recoded, "_STEP", 1000)
    monkeypatch.setattr(recoded, "_APART", 5000)
    data = TEXT.encode(encoding, "ignore")
    whole = data.decode(encoding).encode()
    file = stream(data, encoding)
    assert file.read() == whole
    for place in random.Random(1).choices(range(len(whole)), k=40):
        assert file.seek(place) == place
        assert file.read(99) == whole[place : place + 99]


def test_bytes_without_a_meaning_are_not_changed_to_others() -> None:
    assert stream(b"a\x81b", "cp1252").read() == b"a\xffb"
    assert stream("é".encode("utf-16-le") + b"a", "utf-16-le").read() == "é".encode() + b"\xff"


def test_it_ends_at_the_end_and_closes_what_it_reads() -> None:
    source = io.BytesIO("été".encode("cp1252"))
    file = Recoded(source, "cp1252")
    assert file.seek(100) == 5
    assert file.read(1) == b""
    assert file.seek(2) == 2
    assert file.read(1) == b"t"
    file.close()
    assert source.closed
