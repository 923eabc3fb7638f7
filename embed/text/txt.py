"""Paragraphs of a .txt file: a unit is a range of bytes, a paragraph belongs to the unit in which it starts.

The file is read in blocks of about `_GRID` bytes that end with a line, independent of where units begin: so units of
any size find the same paragraphs, and a file of one very long line is also read in bounded memory.
"""

from collections.abc import Iterator
from typing import BinaryIO

from embed.errors import InputError
from embed.storage import store
from embed.text.documents import Broken, Document

_GRID = 1 << 18
_REACH = 1 << 16  # how far after a multiple of _GRID the end of a line is searched

# Number of characters before a block, of files that this process has read: the next unit counts from there.
_COUNTED: dict[tuple[str, str], tuple[int, int]] = {}
_MOST_COUNTED = 64


def read_paragraphs(url: str, version: str, start: int, end: int | None) -> Iterator[Document | Broken]:
    """Paragraphs that start in the byte range.  Raises InputError for a file that is missing, empty or UTF-16."""
    with store.open_input(url) as file:
        refuse_other_encodings(url, file.read(4))
        for at, block, chars in _blocks(file, (url, version), start, end):
            yield from _in_range(_paragraphs(at, block, chars), start, end)


def refuse_other_encodings(url: str, first: bytes) -> None:
    """InputError for a file that begins like UTF-16 or UTF-32, or is empty."""
    if not first:
        raise InputError(f"{url}: empty file (0 bytes)")
    if first[:2] in (b"\xff\xfe", b"\xfe\xff") or first == b"\0\0\xfe\xff":
        raise InputError(f"{url}: the text is in UTF-16 or UTF-32; save it as UTF-8")


def _blocks(file: BinaryIO, key: tuple[str, str], start: int, end: int | None) -> Iterator[tuple[int, bytes, int]]:
    """Blocks that overlap the range: the place in bytes, the bytes, the number of characters before it."""
    number = start // _GRID
    at = _edge(file, number)
    if at > start:
        number -= 1
        at = _edge(file, number)
    chars = _chars_before(file, key, at)
    while end is None or at < end:
        _remember(key, at, chars)  # of a block's beginning: the next unit may start within the block
        number += 1
        stop = _edge(file, number)
        file.seek(at)
        block = file.read(stop - at)
        if not block:
            return
        yield at, block, chars
        at, chars = at + len(block), chars + _num_chars(block)


def _edge(file: BinaryIO, number: int) -> int:
    """Byte where a block begins: at the first line after a multiple of `_GRID`, else a word, else a character."""
    if number == 0:
        return 0
    before = number * _GRID - 1
    file.seek(before)
    window = file.read(_REACH)
    for mark in (b"\n", b"\r", b" "):
        if (found := window.find(mark)) >= 0 and not (mark == b"\r" and window[found + 1 : found + 2] == b"\n"):
            return before + found + 1
    if len(window) < _REACH:
        return before + len(window)  # the file ends here
    return before + next(place for place in range(1, _REACH) if window[place] & 0xC0 != 0x80)


def _paragraphs(at: int, block: bytes, chars: int) -> Iterator[Document | Broken]:
    for begin, end in _bounds(block):
        raw = block[begin:end]
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            yield Broken(f"paragraph at byte {at + begin}: not UTF-8", at + begin, at + end)
            chars += _num_chars(raw)
        else:
            yield Document(text, place=at + begin, first_char=chars)
            chars += len(text)


def _bounds(block: bytes) -> Iterator[tuple[int, int]]:
    """Paragraphs with the blank lines after them, so that there are no gaps."""
    begin, at, blank = 0, 0, False
    for line in block.splitlines(keepends=True):
        is_blank = not line.strip()
        if blank and not is_blank:
            yield begin, at
            begin = at
        at += len(line)
        blank = is_blank
    yield begin, at


def _in_range(found: Iterator[Document | Broken], start: int, end: int | None) -> Iterator[Document | Broken]:
    for one in found:
        at = one.start if isinstance(one, Broken) else one.place or 0
        if start <= at and (end is None or at < end):
            yield one


def _chars_before(file: BinaryIO, key: tuple[str, str], at: int) -> int:
    begin, chars = _COUNTED.get(key, (0, 0))
    if begin > at:
        begin, chars = 0, 0
    number = begin // _GRID
    while begin < at:
        number += 1
        stop = min(_edge(file, number), at)
        file.seek(begin)
        block = file.read(stop - begin)
        begin, chars = begin + len(block), chars + _num_chars(block)
    return chars


def _num_chars(block: bytes) -> int:
    """A byte that is not UTF-8 counts as one."""
    return len(block.decode("utf-8", "surrogateescape"))


def _remember(key: tuple[str, str], at: int, chars: int) -> None:
    if len(_COUNTED) >= _MOST_COUNTED:
        _COUNTED.clear()
    _COUNTED[key] = (at, chars)
