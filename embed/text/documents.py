"""Documents of any text format, and the conversion of a record (a line, a row) to a document.

Field names are those of retrieval corpora (`_id` or `id`, `text`, `title`, `lang`) unless the input's `columns` give
others; a dotted name is a field of a nested record.  All other plain fields become metadata.
"""

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from embed.errors import InputError

DEFAULTS = {"id": ("_id", "id"), "text": ("text",), "title": ("title",), "lang": ("lang",)}
_PLAIN = (str, int, float, Decimal, datetime.date, datetime.time)
# White space, zero, and characters without width: soft hyphens, joiners, marks of direction and of byte order.
_BLANK = (
    "".join(char for char in map(chr, range(0x3001)) if char.isspace())
    + "\0\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
)


@dataclass(frozen=True)
class Document:
    text: str
    title: str = ""
    item: str | None = None  # its id; else its place as a text; None for paragraphs of a .txt file
    lang: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    place: int | None = None  # byte of the line, or number of the row: ids need not be unique
    first_char: int = 0  # of a paragraph, in its file


@dataclass(frozen=True)
class Broken:
    """A line, row or paragraph that could not be read; its place as in UNITS, bytes or rows."""

    reason: str
    start: int
    end: int
    undecodable: bool = False  # it has bytes that are no characters


class Columns:
    """Names of the fields of a record that hold id, text, title and language."""

    def __init__(self, mapping: Mapping[str, str] | None = None) -> None:
        """Other settings in the mapping are ignored."""
        self._given = {part: name for part, name in (mapping or {}).items() if part in DEFAULTS}
        self._names = {part: (self._given[part],) if part in self._given else DEFAULTS[part] for part in DEFAULTS}

    def refuse_absent(
        self, url: str, names: Iterable[str], optional: Iterable[str] = (), unread: Mapping[str, str] | None = None
    ) -> None:
        """InputError, with the existing names, where a table has no field for the text or for a mapped part.

        `unread` are the columns without plain values: their types, by name.
        """
        existing, types = list(names), unread or {}
        for part in ("text", *(part for part in self._given if part not in ("text", *optional))):
            wanted = self._names[part]
            if any(_is_there(name, existing) for name in wanted):
                continue
            cure = f"name one in the input's `columns: {{{part}: ...}}`"
            names_here = ", ".join(map(repr, existing[:20])) or "none"
            if held := next((name for name in wanted if name in types), None):
                raise InputError(
                    f"{url}: column {held!r} holds {types[held]}, which is no {part}; columns with plain values are"
                    f" {names_here}; {cure}"
                )
            expected = " or ".join(map(repr, wanted))
            raise InputError(f"{url}: no column {expected} for {part}; the columns are {names_here}; {cure}")

    def document(self, record: Mapping[str, Any], place: int, place_name: str) -> Document:
        """Document of the record at this place; its id is `place_name` if it has none.  ValueError with the reason."""
        text, title = self._text(record), _as_text(self._value(record, "title")) or ""
        if is_blank(text or "") and is_blank(title):
            raise ValueError("no text" if text is not None else f"no text: no field {self._names['text'][0]!r}")
        lang = _as_text(self._value(record, "lang"))
        found = Document(text or "", title.strip(), self._item(record, place_name), lang, self._rest(record), place)
        refuse_halves(found.text, title, found.item or "", lang or "", *found.metadata, *found.metadata.values())
        return found

    def _value(self, record: Mapping[str, Any], part: str) -> Any:
        return next((found for name in self._names[part] if (found := field_at(record, name)) is not None), None)

    def _text(self, record: Mapping[str, Any]) -> str | None:
        found = self._value(record, "text")
        if isinstance(found, bytes):
            return found.decode()
        if found is not None and not isinstance(found, str):
            raise ValueError(f"no text: {self._names['text'][0]!r} holds {type(found).__name__}")
        return found

    def _item(self, record: Mapping[str, Any], place_name: str) -> str:
        found = self._value(record, "id")
        if found is None or found == "":
            if "id" in self._given:
                raise ValueError(f"no {self._given['id']}")
            return place_name
        if not isinstance(found, (str, int)):
            raise ValueError(f"the id is {type(found).__name__}, neither text nor a whole number")
        return str(found)

    def _rest(self, record: Mapping[str, Any]) -> dict[str, str]:
        taken = {name for names in self._names.values() for name in names}
        plain = plain_fields(record, taken)
        title = _as_text(self._value(record, "title"))
        return {"title": title, **plain} if title else plain


def is_blank(text: str) -> bool:
    """Whether nothing of it can be seen."""
    return not text.strip(_BLANK)


def refuse_halves(*texts: str) -> None:
    """ValueError for half a surrogate pair, which is not valid text: no table can hold it."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])
        raise ValueError(f"{half} is half a character (of a surrogate pair); remove it") from None


def plain_fields(record: Mapping[str, Any], but: Iterable[str] = ()) -> dict[str, str]:
    """The fields of a record that hold a plain value, as texts; empty ones are left out."""
    left_out = set(but)
    return {str(key): found for key, value in record.items() if key not in left_out and (found := _as_text(value))}


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return str(value) if isinstance(value, _PLAIN) else None


def field_at(record: Mapping[str, Any], name: str) -> Any:
    """The field's value; a dotted name that is no field is looked up in nested records."""
    if name in record:
        return record[name]
    first, dot, rest = name.partition(".")
    inner = record.get(first) if dot else None
    return field_at(inner, rest) if isinstance(inner, Mapping) else None


def _is_there(name: str, names: list[str]) -> bool:
    return name in names or any(other.startswith(f"{name}.") for other in names)
