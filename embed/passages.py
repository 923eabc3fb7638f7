"""Where to cut text: paragraphs of a .txt file, documents of a .jsonl file, into passages that end with a sentence.

A unit is a range of bytes; a paragraph or line belongs to the unit in which it starts, and is read to its end.
So units of any size give the same passages.  A passage is exactly `text[start:end]` of its file or document.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Self

from pydantic import Field, model_validator

from embed import store
from embed.errors import InputError
from embed.inputs import JSON_LINES, suffix
from embed.spec import Spec

_CHUNK = 1 << 16
_BOM = "\ufeff"
# A sentence ends with its mark, closing quotes included, before white space; or at once with a CJK mark.
_SENTENCE_END = re.compile(r"[.!?…؟۔।]+[\"'”’»)\]]*\s+|[。！？]+[」』”’]*\s*")


class PassageSpec(Spec):
    """How texts are cut."""

    max_chars: int = Field(default=1000, ge=50, description="A passage's length, at most.")
    overlap: int = Field(default=0, ge=0, description="Characters of whole sentences repeated in the next passage.")
    unit_bytes: int = Field(default=1_000_000, ge=1, description="Length of a unit of work, of .txt and .jsonl.")
    unit_rows: int = Field(default=2_000, ge=1, description="Length of a unit of work, of tables (csv, parquet).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.overlap > self.max_chars // 2:
            raise ValueError(f"overlap {self.overlap} is over half of max_chars {self.max_chars}; lower it")
        return self

    def cutting(self) -> dict[str, Any]:
        """The fields that decide the passages; the size of units does not."""
        return {name: value for name, value in self.defining().items() if name not in ("unit_bytes", "unit_rows")}


@dataclass(frozen=True)
class Passage:
    text: str
    start: int  # characters of the file (.txt) or of the document's text (.jsonl)
    end: int
    item: str | None = None  # the document's _id
    lang: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """A line or paragraph that could not be read; places in bytes of the file."""

    reason: str
    start: int
    end: int


def read_passages(url: str, start: int, end: int | None, spec: PassageSpec) -> Iterator[Passage | Broken]:
    """Passages of the byte range, in order.  Raises InputError for a file that is missing or empty."""
    with store.open_input(url) as file:
        if not file.read(1):
            raise InputError(f"{url}: empty file (0 bytes)")
        read = _documents if suffix(url) in JSON_LINES else _paragraphs
        yield from read(file, start, end, spec)


def spans(text: str, spec: PassageSpec) -> list[tuple[int, int]]:
    """Passages of one paragraph: whole sentences, as many as fit in `max_chars`; stripped, never empty.

    A sentence that is longer is cut at white space, or where it must.
    """
    pieces = [piece for sentence in _sentences(text) for piece in _fitting(text, *sentence, spec.max_chars)]
    found: list[tuple[int, int]] = []
    first = 0
    while first < len(pieces):
        last = first
        while last + 1 < len(pieces) and pieces[last + 1][1] - pieces[first][0] <= spec.max_chars:
            last += 1
        found.append((pieces[first][0], pieces[last][1]))
        following = last + 1
        while following < len(pieces) and following - 1 > first and _repeats(pieces, following - 1, last, spec):
            following -= 1
        first = following
    return found


def _repeats(pieces: list[tuple[int, int]], first: int, last: int, spec: PassageSpec) -> bool:
    """Whether pieces first..last may be repeated before piece last + 1."""
    fits = pieces[last + 1][1] - pieces[first][0] <= spec.max_chars
    return fits and pieces[last][1] - pieces[first][0] <= spec.overlap


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for mark in _SENTENCE_END.finditer(text):
        yield from _stripped(text, start, mark.end())
        start = mark.end()
    yield from _stripped(text, start, len(text))


def _fitting(text: str, start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    while end - start > size:
        space = max(text.rfind(" ", start + 1, start + size + 1), text.rfind("\n", start + 1, start + size + 1))
        cut = space if space > start else start + size
        yield from _stripped(text, start, cut)
        start = next((at for at, _ in _stripped(text, cut, end)), end)
    if end > start:
        yield start, end


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span without white space around it; nothing where nothing is left."""
    part = text[start:end]
    if core := part.strip(f" \t\r\n\f\v\u00a0{_BOM}"):
        at = start + part.index(core)
        yield at, at + len(core)


def _documents(file: BinaryIO, start: int, end: int | None, spec: PassageSpec) -> Iterator[Passage | Broken]:
    for at, line in _lines(file, start):
        if end is not None and at >= end:
            return
        if line.strip():
            yield from _document(at, line, spec)


def _document(at: int, line: bytes, spec: PassageSpec) -> Iterator[Passage | Broken]:
    try:
        value = json.loads(line.decode("utf-8-sig"))
        item, title, text, lang, metadata = _fields(value)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        yield Broken(f"line at byte {at}: {' '.join(str(error).split())}", at, at + len(line))
        return
    if not text.strip():
        yield Passage(title, 0, 0, item, lang, metadata)
    for low, high in spans(text, spec):
        # The title goes before every passage, as is the custom of retrieval corpora; places are in the text alone.
        yield Passage(f"{title}\n{text[low:high]}" if title else text[low:high], low, high, item, lang, metadata)


def _fields(value: Any) -> tuple[str, str, str, str | None, dict[str, str]]:
    """_id, title, text, lang and the other plain fields as text.  Raises ValueError with the reason."""
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    item, text = value.get("_id"), value.get("text")
    if not isinstance(item, (str, int)) or item == "":
        raise ValueError("no _id")
    if not isinstance(text, str) or not (text.strip() or value.get("title")):
        raise ValueError("no text")
    json.dumps(value, ensure_ascii=False).encode()  # raises at half a surrogate pair, which no table can hold
    title, lang = value.get("title"), value.get("lang")
    rest = {key: found for key, found in value.items() if key not in ("_id", "text", "lang")}
    plain = {key: _plain(found) for key, found in rest.items() if isinstance(found, (str, int, float)) and found != ""}
    return str(item), title if isinstance(title, str) else "", text, lang if isinstance(lang, str) else None, plain


def _plain(value: str | int | float) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _paragraphs(file: BinaryIO, start: int, end: int | None, spec: PassageSpec) -> Iterator[Passage | Broken]:
    at_char: int | None = None
    for at, raw in _blocks(file, start, end):
        # Where the first paragraph begins in characters is known by reading all before it: .jsonl needs no such.
        at_char = _num_chars(file, at) if at_char is None else at_char
        text = raw.decode("utf-8", "surrogateescape")
        if any("\udc80" <= char <= "\udcff" for char in text):
            yield Broken(f"paragraph at byte {at}: not UTF-8", at, at + len(raw))
        else:
            for low, high in spans(text, spec):
                yield Passage(text[low:high], at_char + low, at_char + high)
        at_char += len(text)


def _blocks(file: BinaryIO, start: int, end: int | None) -> Iterator[tuple[int, bytes]]:
    """Paragraphs that start in the range, each with the blank lines behind it, so that they lie end to end."""
    held: list[bytes] = []
    begin, blank = start, _blank_before(file, start)
    for at, line in _lines(file, start):
        is_blank = not line.strip()
        if not is_blank and blank:  # a paragraph starts here
            if held:
                yield begin, b"".join(held)
            held, begin = [], at
            if end is not None and at >= end:
                return
            held = [line]
        elif held:
            held.append(line)
        blank = is_blank
        if not held and end is not None and at >= end:
            return
    if held:
        yield begin, b"".join(held)


def _lines(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Lines that start at or after `start`, with their places."""
    file.seek(max(start - 1, 0))
    at = max(start - 1, 0)
    if start:
        at += len(file.readline())  # the rest of a line that began before, or the newline right before `start`
    while line := file.readline():
        yield at, line
        at += len(line)


def _blank_before(file: BinaryIO, start: int) -> bool:
    """Whether the last line that begins before the first line at or after `start` is blank, or there is none."""
    if start == 0:
        return True
    line = b""
    at = start - 1  # the line that holds this byte is the one in question
    while at > 0 and b"\n" not in line:
        low = max(at - _CHUNK, 0)
        file.seek(low)
        line = file.read(at - low) + line
        at = low
    file.seek(start - 1)
    return not (line.rpartition(b"\n")[2] + file.readline()).strip()


def _num_chars(file: BinaryIO, end: int) -> int:
    """Characters before byte `end`; a byte that is not UTF-8 counts as one, as in `_paragraphs`."""
    place = file.tell()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    file.seek(0)
    num, left = 0, end
    while left and (chunk := file.read(min(_CHUNK, left))):
        num += len(decoder.decode(chunk))
        left -= len(chunk)
    file.seek(place)
    return num
