"""Paragraphs of a .txt, .md or .rst file: a unit is a range of bytes; a paragraph is in the unit where it starts.

The file is read in blocks of about `_GRID` bytes that end with a line, independent of where units begin: so units of
any size find the same paragraphs, and a file of one very long line is also read in bounded memory.

The front matter of a .md file (its title, date and so on, between two lines of `---` or `+++`) is left out.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from embed.file_kinds import suffix
from embed.text.documents import Broken, Document
from embed.text.gzipped import open_text

_GRID = 1 << 18
_REACH = 1 << 16  # how far after a multiple of _GRID the end of a line is searched

Key = tuple[str, str, str | None]  # url, version, encoding

# Number of characters before a block, of files that this process has read: the next unit counts from there.
_COUNTED: dict[Key, tuple[int, int]] = {}
_MOST_COUNTED = 64

# A key or a table follows its first line: a line of dashes alone is also a rule between paragraphs.
_FRONT_MATTER = re.compile(
    rb"(?:\xef\xbb\xbf)?(---|\+\+\+)[ \t]*\r?\n[\[\w\"'-][^\n]*?[:=\]].*?\n(?:\1|\.\.\.)[ \t]*(?:[\r\n]+|\Z)", re.DOTALL
)


def read_paragraphs(
    url: str, version: str, start: int, end: int | None, encoding: str | None = None
) -> Iterator[Document | Broken]:
    """Paragraphs that start in the range of bytes of UTF-8.  Raises InputError for a file that is missing."""
    fault = f"not {encoding or 'UTF-8'}"
    with open_text(url, version, encoding) as file:
        first = _front_matter(file) if suffix(url) == ".md" else 0
        for at, block, chars in _blocks(file, (url, version, encoding), first, start, end):
            yield from _in_range(_paragraphs(at, block, chars, fault), start, end)


def _front_matter(file: BinaryIO) -> int:
    """Its length in bytes."""
    file.seek(0)
    found = _FRONT_MATTER.match(file.read(_REACH))
    return found.end() if found else 0


def _blocks(file: BinaryIO, key: Key, first: int, start: int, end: int | None) -> Iterator[tuple[int, bytes, int]]:
    """Blocks from `first` on that overlap the range: place in bytes, the bytes, number of characters before it."""
    number = start // _GRID
    if _edge(file, number) > start:
        number -= 1
    at = max(_edge(file, number), first)
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


def _paragraphs(at: int, block: bytes, chars: int, fault: str) -> Iterator[Document | Broken]:
    for begin, end in _bounds(block):
        raw = block[begin:end]
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            yield Broken(f"paragraph at byte {at + begin}: {fault}", at + begin, at + end, undecodable=True)
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


def _chars_before(file: BinaryIO, key: Key, at: int) -> int:
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


def _remember(key: Key, at: int, chars: int) -> None:
    if len(_COUNTED) >= _MOST_COUNTED:
        _COUNTED.clear()
    _COUNTED[key] = (at, chars)
