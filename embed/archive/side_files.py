"""Side files: a folder's metadata.csv or metadata.jsonl describes its recordings, as in Hugging Face's audiofolder.

Each row names a file (`file_name`, relative to the side file); its `lang` or `language` is the file's language, its
other columns join the file's metadata.  The side file itself is no asset.
"""

import json
from collections import Counter
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from embed.archive.spellings import alike, similar_in_words
from embed.archive.utterance_lists import resolved, whole
from embed.errors import InputError
from embed.text.csv_rows import CsvRows
from embed.text.documents import Broken, plain_fields, refuse_halves
from embed.text.jsonl import first_records, records

NAMES = frozenset({"metadata.csv", "metadata.jsonl"})
_FILE = "file_name"


@dataclass
class SideFiles:
    """Descriptions from side files, by url of the file; small in memory, as archives have millions of files."""

    about: dict[str, bytes] = field(default_factory=dict)

    def of(self, url: str) -> tuple[str | None, dict[str, str]]:
        """The language, where known, and the metadata of a file."""
        found: dict[str, str] = json.loads(self.about[url]) if url in self.about else {}
        langs = [found.pop(name) for name in ("lang", "language") if name in found]
        return (langs[0] if langs else None), found

    def read(self, url: str, version: str, encoding: str | None = None) -> int:
        """Add the rows of a side file; returns how many of its rows name no file."""
        num = 0
        for found in _rows(url, version, encoding):
            if isinstance(found, Broken):
                num += 1
            else:
                place, about = found
                self.about[place] = json.dumps(about).encode()
        return num

    def match(self, existing: Collection[str], passed_over: Container[str]) -> dict[str, str]:
        """Give rows to the files that they name in another spelling; returns the urls without a file, with problems.

        A file that has a row of its own, or several in other spellings, is none of those for certain.
        """
        missing = [url for url in self.about if url not in existing and url not in passed_over]
        similar = alike(missing, existing)
        rows = Counter(name for names in similar.values() for name in names)
        problems: dict[str, str] = {}
        for url, names in similar.items():
            if len(names) == 1 and rows[names[0]] == 1 and names[0] not in self.about:
                self.about[names[0]] = self.about.pop(url)
            else:
                problems[url] = f"InputError: {url}: no such file; a side file names it{similar_in_words(names)}"
        return problems


def is_side_table(url: str, version: str, encoding: str | None = None) -> bool:
    """Whether a file with one of `NAMES` describes files."""
    if PurePosixPath(url).name not in NAMES:
        return False
    if url.endswith(".jsonl"):
        return any(_FILE in record for record in first_records(url, version, encoding)[:1])
    try:
        rows = CsvRows(url, encoding)
    except InputError:
        return False
    rows.close()
    return _FILE in rows.names


def broken_rows(url: str, version: str, encoding: str | None = None) -> Iterator[Broken]:
    """Rows of a side file that name no file."""
    return (found for found in _rows(url, version, encoding) if isinstance(found, Broken))


def _rows(url: str, version: str, encoding: str | None) -> Iterator[tuple[str, dict[str, str]] | Broken]:
    """The file's url, and its description."""
    folder = url.rpartition("/")[0]
    for number, found in whole(_records(url, version, encoding)):
        if isinstance(found, Broken):
            yield found
            continue
        try:
            name = found.get(_FILE)
            if not isinstance(name, str) or not name:
                raise ValueError(f"no {_FILE}")
            about = plain_fields(found, (_FILE,))
            refuse_halves(*about, *about.values())
            yield resolved(folder, name), about
        except ValueError as error:
            yield Broken(f"row {number}: {error}", number, number + 1)


def _records(url: str, version: str, encoding: str | None) -> Iterator[tuple[int, dict[str, Any] | Broken]]:
    """Records with their numbers, from 0."""
    if url.endswith(".jsonl"):
        for number, found in records(url, version, encoding):
            yield number - 1, found
        return
    rows = CsvRows(url, encoding)
    try:
        yield from rows.read(0, None)
    finally:
        rows.close()
