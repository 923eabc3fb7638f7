"""Rows of a .csv or .tsv file, packed by gzip or not, read as a stream; quoted newlines are supported.

- The first row names the columns; the delimiter is the most frequent of `, ; tab |` in it, a tab in .tsv, or what a
  line before it names, as Excel writes it (`sep=;`).
- A quote that is never closed breaks its own row only: reading continues with the next line.
- A row with more fields than names is broken: a comma in a text that has no quotes would shift everything.
"""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from embed.errors import InputError
from embed.file_kinds import unpacked_suffix
from embed.text.documents import Broken
from embed.text.gzipped import unpacking

FIELD_CHARS = 1 << 24  # a longer field is a quote that was never closed
_DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)

csv.field_size_limit(FIELD_CHARS)


class CsvRows:
    """`embed.text.table_rows.Rows` of a csv file."""

    unread: Mapping[str, str] = MappingProxyType({})  # every field is a text

    def __init__(self, url: str, encoding: str | None = None) -> None:
        """Raises InputError where there is no file, or no header."""
        self._url = url
        self._undecodable = f"not {encoding or 'UTF-8'}"
        self._lines = _Lines(url, encoding)
        self.at = 0
        self.line = 0  # of the file, from 1, where the row that was read last begins
        try:
            self._delimiter = "\t" if unpacked_suffix(url) == ".tsv" else ","
            header = self._header()
        except BaseException:
            self._lines.close()
            raise
        self.names = tuple(header)
        self._width = len(header)

    def read(self, first: int, end: int | None) -> Iterator[tuple[int, dict[str, Any] | Broken]]:
        while end is None or self.at < end:
            found = self._next_row()
            if found is None:
                return
            number, self.at = self.at, self.at + 1
            self.line = found[0]
            if number >= first:
                yield number, self._record(number, found)

    def close(self) -> None:
        self._lines.close()

    def _header(self) -> list[str]:
        line = self._lines.peek()
        if separator := _SEPARATOR.fullmatch(line):
            self._delimiter = separator[1]
            next(self._lines)
        elif self._delimiter == ",":
            bare = "".join(line.split('"')[::2])  # what is outside of quotes
            self._delimiter = max(_DELIMITERS, key=bare.count)
        found = self._next_row()
        if found is None or isinstance(found[1], str):
            raise InputError(f"{self._url}: no header; the first row of a table must name its columns")
        return [name.strip() for name in found[1]]

    def _next_row(self) -> tuple[int, list[str] | str] | None:
        """The next row that is not blank, with its line's number: its fields, or why there are none."""
        while True:
            self._lines.begin_row()
            try:
                cells = next(csv.reader(self._lines, delimiter=self._delimiter), None)
            except csv.Error as error:
                return self._broken(str(error))
            if cells is None:
                return None
            if self._lines.ended and self._lines.is_open_quote():
                return self._broken("a quote that is never closed")
            if cells:
                return self._lines.number, cells

    def _broken(self, reason: str) -> tuple[int, str]:
        number = self._lines.number
        self._lines.give_back_but_first()
        return number, reason

    def _record(self, number: int, found: tuple[int, list[str] | str]) -> dict[str, Any] | Broken:
        line, cells = found
        reason = cells if isinstance(cells, str) else self._fault(cells)
        if reason is not None or isinstance(cells, str):
            undecodable = reason == self._undecodable
            return Broken(f"row {number} (line {line}): {reason}", number, number + 1, undecodable)
        # Of two columns of one name the first counts; a column without a name is dropped.
        named = zip(reversed(self.names), reversed(cells + [""] * (self._width - len(cells))), strict=True)
        return {name: cell for name, cell in named if name}

    def _fault(self, cells: list[str]) -> str | None:
        if any(cells[self._width :]):
            return f"{len(cells)} fields for {self._width} columns; is a quote missing?"
        del cells[self._width :]
        try:
            "".join(cells).encode()
        except UnicodeEncodeError:
            return self._undecodable
        return None


class _Lines:
    """Lines of the file; those of the current row can be given back."""

    def __init__(self, url: str, encoding: str | None) -> None:
        file: Any = unpacking(url, encoding)
        self.ended = False
        self.number = 0  # of the row's first line, from 1
        self._next = 1
        self._row: list[str] = []
        self._again: deque[str] = deque()
        self._text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._text.readline(FIELD_CHARS)
        if not line:
            self.ended = True
            raise StopIteration
        self._row.append(line)
        self._next += 1
        return line

    def peek(self) -> str:
        """The next line that is not blank, without taking it."""
        while (line := next(self, "")) and not line.strip():
            pass
        if line:
            self._again.appendleft(line)
            self._next -= 1
        self.ended = False
        return line

    def begin_row(self) -> None:
        self._row.clear()
        self.number = self._next

    def is_open_quote(self) -> bool:
        """Whether the current row has several lines and an odd number of quotes."""
        return len(self._row) > 1 and sum(line.count('"') for line in self._row) % 2 == 1

    def give_back_but_first(self) -> None:
        back = self._row[1:]
        self._again.extendleft(reversed(back))
        self._next -= len(back)
        self.ended = False

    def close(self) -> None:
        self._text.close()
