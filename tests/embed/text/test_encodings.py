import random

import pytest

from embed.errors import InputError
from embed.text.encodings import Sample, canonical, chosen, marked

FRENCH = (
    "Le marché a rouvert après l’été, dit-on à Genève. Un orage a coupé l’électricité près du cœur de la ville.\n" * 9
)
RUSSIAN = "Сегодня в Москве открылся новый музей. Билеты можно купить в кассе или на сайте.\n" * 9
JAPANESE = "今日は天気がとても良いので、公園を散歩しました。桜の花が咲いていて、とても綺麗でした。\n" * 9
CHINESE = "今天天气很好，我们去公园散步。花开得非常漂亮，孩子们玩得很高兴。\n" * 9
ENGLISH = "The baker opens at six.\n" * 9


def sample(text: str, encoding: str) -> Sample:
    return Sample(text.encode(encoding))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "cp1252"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "cp932"),
        (CHINESE, "gb18030"),
        (ENGLISH, "utf-16-le"),
        (RUSSIAN, "utf-16-be"),
        (FRENCH, "utf-32-le"),
    ],
)
def test_what_is_not_utf8_is_named_and_then_read(text: str, encoding: str) -> None:
    with pytest.raises(InputError, match=rf"^a.txt: not UTF-8; it looks like {encoding}: set `encoding: {encoding}`"):
        chosen("a.txt", sample(text, encoding), None)
    assert chosen("a.txt", sample(text, encoding), encoding) == encoding
    with pytest.raises(InputError, match=r"neither UTF-8 nor ascii, .* an input of its own with `encoding"):
        chosen("a.txt", sample(text, encoding), "ascii")


@pytest.mark.parametrize("named", [None, "cp1252", "cp1251", "utf-16-le", "cp932", "utf-7", "cp037"])
def test_what_is_utf8_stays_utf8_whatever_is_named(named: str | None) -> None:
    for text in (FRENCH, RUSSIAN, CHINESE, "é"):
        assert chosen("a.txt", sample(text, "utf-8"), named) is None
        assert chosen("a.txt", sample(text, "utf-8-sig"), named) is None


def test_ascii_alone_may_have_escapes_or_other_characters_later() -> None:
    assert chosen("a.txt", sample(JAPANESE, "iso2022_jp"), None) is None
    assert chosen("a.txt", sample(JAPANESE, "iso2022_jp"), "iso2022_jp") == "iso2022_jp"
    assert chosen("a.txt", sample(ENGLISH, "ascii"), "cp1252") is None
    assert chosen("a.txt", Sample(ENGLISH.encode(), whole=False), "cp1252") == "cp1252"
    assert chosen("a.txt", Sample(ENGLISH.encode(), whole=False), "utf-16-le") is None


def test_some_damage_does_not_change_the_encoding() -> None:
    damaged = FRENCH.encode() + "Été.".encode("cp1252")
    assert chosen("a.txt", Sample(damaged), "cp1252") is None
    later = Sample(ENGLISH.encode(), (FRENCH.encode("cp1252"),), whole=False)
    assert chosen("a.txt", later, "cp1252") == "cp1252"
    with pytest.raises(InputError, match="not UTF-8"):
        chosen("a.txt", later, None)
    cut = FRENCH.encode()
    halves = Sample(cut[: cut.index(b"\xc3") + 1], (cut[cut.index(b"\xc3") + 1 :],), whole=False)
    assert chosen("a.txt", halves, None) is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_mark_decides(encoding: str) -> None:
    for text in (ENGLISH, CHINESE):
        assert marked(text.encode(encoding)[:4]) == encoding
        assert chosen("a.txt", sample(text, encoding), "cp1252") == encoding


BINARY = {
    "zeros": bytes(100_000),
    "noise": random.Random(0).randbytes(100_000),
    "few zeros": (b"\x7fELF\x02\x01\x01" + bytes(9) + b"text") * 99,
    "noise with a mark": b"\xff\xfe" + random.Random(1).randbytes(5000),
}


@pytest.mark.parametrize("named", [None, "cp1252", "utf-16-le"])
@pytest.mark.parametrize("content", BINARY.values(), ids=BINARY)
def test_what_is_no_text_is_refused(content: bytes, named: str | None) -> None:
    with pytest.raises(InputError, match=r"a.txt: (binary, not a text|not UTF-8|neither)"):
        chosen("a.txt", Sample(content), named)


def test_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match="empty file"):
        chosen("a.txt", Sample(b""), None)


def test_names_are_those_of_python() -> None:
    assert canonical("Windows-1252") == canonical("CP1252") == "cp1252"
    assert canonical("utf8") is canonical("UTF-8-SIG") is None
    for name in ("nonsense", "base64", "", "hex\0"):
        with pytest.raises(ValueError, match=r"e\.g\. cp1252"):
            canonical(name)
