"""Encoding of a text file: UTF-8, the one that its first bytes mark, or the one that its input names.

- A file that is UTF-8 is read as UTF-8, whatever its input names: a folder may have files of both encodings.
- Any other encoding becomes UTF-8 while it is read (`embed.text.recoded`): readers of formats know UTF-8 only.
- A sample decides.  Characters in the rest of a file that are not readable are reported where they are.
"""

import codecs
import re
from dataclasses import dataclass

from charset_normalizer import from_bytes

from embed.errors import InputError

ENCODING = "encoding"  # its key among the settings with which a file is read, next to the names of its fields
UTF8 = "utf-8"

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\x1b")  # the last begins escapes, as of ISO-2022
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in _TEXT_CONTROLS)
_MOST_CONTROLS = 0.05  # of all characters; a compressed file has 0.1
_WRONG = re.compile("[\ufffd\ue000-\uf8ff]")  # not decoded, or of private use: a tenth of noise read as UTF-16
_MOST_WRONG = 0.05  # of the characters that are not ASCII
_LEAST_ZEROS = 0.02  # of the bytes of UTF-16: a language with letters of its own still has spaces
_GUESSED_BYTES = 1 << 16
_WESTERN = "cp1252"
_USUAL = [
    _WESTERN, "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256",
    "cp932", "euc_jp", "gb18030", "big5", "cp949", "mac_roman",
]  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """Bytes of a file: its beginning, and parts of the rest where it is longer; `whole` where that is all of it."""

    head: bytes
    parts: tuple[bytes, ...] = ()
    whole: bool = True

    def is_utf8(self) -> bool:
        """Also with some damage: fewer bytes that are not UTF-8 than characters of several bytes that are."""
        characters = wrong = 0
        for part in (self.head, *(part.lstrip(bytes(range(0x80, 0xC0))) for part in self.parts)):
            text = _decoded(part, UTF8, "surrogateescape")
            bad = sum("\udc80" <= char <= "\udcff" for char in _beyond_ascii(text))
            wrong += bad
            characters += len(_beyond_ascii(text)) - bad
        return wrong <= characters

    def is_ascii(self) -> bool:
        return all(part.isascii() for part in (self.head, *self.parts))


def canonical(name: str) -> str | None:
    """Python's own name of an encoding; None for UTF-8, the default.  Raises ValueError where it knows none."""
    try:
        "".encode(name)  # refuses what is a codec but no encoding of texts
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise ValueError("no encoding of this name is known; e.g. cp1252, cp1251, utf-16-le, cp932, gb18030") from None
    return None if found in (UTF8, "utf-8-sig") else found


def marked(first: bytes) -> str | None:
    """The encoding that the first four bytes of a file mark; that of UTF-8 changes nothing."""
    return next((name for mark, name in _MARKS if first.startswith(mark)), None)


def chosen(url: str, sample: Sample, named: str | None, declared: str | None = None) -> str | None:
    """The encoding of a file, None for UTF-8; `named` by its input, `declared` in the file itself.

    Raises InputError, with the cure, for a file that is empty, binary, or in none of these encodings.
    """
    head = sample.head
    if not head:
        raise InputError(f"{url}: empty file (0 bytes)")
    mark = marked(head)
    if mark is not None and _fits(head, mark):
        return mark
    wide = _wide(head)
    fitting = [name for name in (declared, named) if name and _fits(head, name)]
    if wide is None and not _is_binary(head) and sample.is_utf8():
        return named if named in fitting and sample.is_ascii() and _differs(sample, named) else None
    if fitting:
        return fitting[0]
    if wide is None and _is_binary(head):
        cure = "leave it out, or set the `encoding` of its input if it is a text"
        raise InputError(f"{url}: binary, not a text: {_controls(head):.0%} of it is control characters; {cure}")
    guess = wide or _guess(head)
    if named is None:
        raise InputError(f"{url}: not UTF-8; it looks like {guess}: set `encoding: {guess}` for its input")
    raise InputError(
        f"{url}: neither UTF-8 nor {named}, the `encoding` of its input; it looks like {guess}: give it an input of"
        f" its own with `encoding: {guess}`"
    )


def _differs(sample: Sample, named: str) -> bool:
    """Whether a file that begins with ASCII alone may have other characters later, or has them in escapes."""
    if named.startswith(("utf-16", "utf-32")):
        return False  # it has no zero bytes
    return not sample.whole or _decoded(sample.head, named) != sample.head.decode("ascii")


def _wide(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: the zero bytes of its spaces and other ASCII are all in one place."""
    zeros = [head[place::4].count(0) for place in range(4)]
    groups, total = len(head) // 4, sum(zeros)
    if total < _LEAST_ZEROS * len(head):
        return None
    found = {
        "utf-32-le": zeros[3] >= groups and zeros[0] < groups,
        "utf-32-be": zeros[0] >= groups and zeros[3] < groups,
        "utf-16-le": zeros[0] + zeros[2] <= total // 100,
        "utf-16-be": zeros[1] + zeros[3] <= total // 100,
    }
    return next((name for name, is_so in found.items() if is_so and _fits(head, name)), None)


def _fits(head: bytes, name: str) -> bool:
    """Whether the bytes are a text in this encoding."""
    try:
        text = _decoded(head, name)
    except UnicodeError:
        return False
    few = _controls(text.encode(errors="replace")) <= _MOST_CONTROLS
    return few and len(_WRONG.findall(text)) <= _MOST_WRONG * len(_beyond_ascii(text))


def _is_binary(head: bytes) -> bool:
    return _controls(head) > _MOST_CONTROLS


def _guess(head: bytes) -> str:
    """The likeliest encoding; Western Europe's where it is as likely as another (the accents of both agree)."""
    found = list(from_bytes(head[:_GUESSED_BYTES], cp_isolation=_USUAL))
    likely = {name for one in found if one.chaos <= found[0].chaos for name in one.could_be_from_charset}
    return found[0].encoding if found and _WESTERN not in likely else _WESTERN


def _decoded(data: bytes, name: str, errors: str = "replace") -> str:
    """The text, without a last character that is cut."""
    return codecs.getincrementaldecoder(name)(errors).decode(data)


def _beyond_ascii(text: str) -> str:
    return "".join(re.findall("[^\0-\x7f]+", text))


def _controls(data: bytes) -> float:
    """Share of control characters."""
    return 1 - len(data.translate(None, _CONTROLS)) / max(len(data), 1)
