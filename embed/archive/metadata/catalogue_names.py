"""Names of files in a catalogue: paths below its folder or the archive, in any spelling, with more or fewer folders.

A catalogue from another system has the paths of that system (`D:/Radio/1999/a.mp3`), or bare names.  So a name that is
no path here is that of the one file whose path ends with it, or whose whole path below the archive it ends with.
"""

from collections.abc import Iterable, Iterator

from embed.archive.metadata.catalogues import Row
from embed.archive.spellings import alike, folded
from embed.archive.utterance_lists import resolved
from embed.text.documents import Broken

Placed = tuple[str | None, Row | Broken]


class CatalogueNames:
    """Files by their names in a catalogue; names are relative to one of the folders, of which the first is the root."""

    def __init__(self, files: Iterable[str], root: str, folder: str) -> None:
        self._files, self._root, self._folders = set(files), root, tuple(dict.fromkeys((folder, root)))

    def placed(self, rows: Iterable[Row | Broken]) -> Iterator[Placed]:
        """Rows, each with the url of its file, None where it names none; names that are searched for come last."""
        waiting: list[tuple[Row, list[str]]] = []
        for row in rows:
            places = [] if isinstance(row, Broken) else self._places(row.name)
            url = next((place for place in places if place in self._files), None)
            if url is not None or isinstance(row, Broken):
                yield url, row
            else:
                waiting.append((row, places))
        spelled = alike((place for _, places in waiting for place in places), self._files)
        tails = _Tails(self._files if waiting else (), self._root, {_parts(row.name) for row, _ in waiting})
        for row, places in waiting:
            yield _only(url for place in places for url in spelled[place]) or _only(tails.of(_parts(row.name))), row

    def _places(self, name: str) -> list[str]:
        try:
            return [resolved(folder, name) for folder in self._folders]
        except ValueError:  # an address that no file of an input can have, as of the web
            return []


class _Tails:
    """Files by the last names of their paths, as many as the names of a catalogue have."""

    def __init__(self, files: Iterable[str], root: str, names: set[tuple[str, ...]]) -> None:
        lengths = {len(name) for name in names}
        self._whole: dict[tuple[str, ...], list[str]] = {}
        self._tails: dict[tuple[str, ...], list[str]] = {}
        for url in files:
            path = _parts(url.removeprefix(f"{root.rstrip('/')}/"))
            self._whole.setdefault(path, []).append(url)
            for length in lengths:
                if (tail := path[-length:]) in names:
                    self._tails.setdefault(tail, []).append(url)

    def of(self, name: tuple[str, ...]) -> list[str]:
        """The files whose paths end with the name, else those whose whole path the name ends with."""
        if found := self._tails.get(name):
            return found
        return next((found for at in range(len(name)) if (found := self._whole.get(name[at:]))), [])


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in folded(path).split("/") if part not in ("", ".", ".."))


def _only(urls: Iterable[str]) -> str | None:
    found = set(urls)
    return found.pop() if len(found) == 1 else None
