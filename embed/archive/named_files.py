"""Files that a list names: in the input, elsewhere where the input allows it, under another spelling, or nowhere."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from embed.archive.selection import EXCLUDED
from embed.archive.spellings import alike, other_spellings, similar_in_words
from embed.errors import OF_ONE_FILE, UnreadableBucket
from embed.storage import store
from embed.storage.store import Entry

_AT_ONCE = 16  # requests are small: threads wait rather than work


class NamedFiles:
    """Files by the url that a list gives; those of the input have a `place` among its entries.

    With `within`, a folder, files outside of it are not looked up.
    """

    def __init__(self, entries: Sequence[Entry], passed_over: Mapping[str, str], within: str | None = None) -> None:
        self._within = within
        self._outside: set[str] = set()
        self.places = {entry.url: place for place, entry in enumerate(entries)}
        self._entries, self._passed_over = entries, passed_over
        self._others: dict[str, Entry | None] = {}  # urls that the listing does not have
        self._similar: dict[str, list[str]] = {}

    def is_excluded(self, url: str) -> bool:
        return self._passed_over.get(url) == EXCLUDED

    def is_outside(self, url: str) -> bool:
        """Whether it was not looked up, since it is outside."""
        return url in self._outside

    def entry(self, url: str) -> Entry | None:
        """The file; None where there is none.  `look_up` the url first."""
        place = self.places.get(url)
        return self._others.get(url) if place is None else self._entries[place]

    def place(self, url: str) -> int | None:
        """Its place among the input's entries; None of a file elsewhere."""
        entry = self.entry(url)
        return self.places.get(entry.url) if entry else None

    def similar(self, url: str) -> str:
        """The files with a similar name, for messages; empty where there are none."""
        return similar_in_words(self._similar.get(url, ()))

    def look_up(self, urls: Iterable[str]) -> None:
        """Search for those that the listing does not have.  A name without a file is that of the one similar file."""
        unknown = [url for url in urls if url not in self.places and url not in self._others]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            leads_out = pool.map(self._leads_out, unknown)
            self._outside.update(url for url, is_out in zip(unknown, leads_out, strict=True) if is_out)
            unknown = [url for url in unknown if url not in self._outside]
            self._others.update(zip(unknown, pool.map(entry_at, unknown), strict=True))
            absent = [url for url in unknown if self._others[url] is None]
            elsewhere = pool.map(self._of_other_spellings, absent)
            for (url, inside), outside in zip(alike(absent, self.places).items(), elsewhere, strict=True):
                found = {entry.url: entry for entry in [*outside, *(self._entries[self.places[one]] for one in inside)]}
                if len(found) == 1:
                    self._others[url] = next(iter(found.values()))
                elif found:
                    self._similar[url] = sorted(found)

    def _of_other_spellings(self, url: str) -> list[Entry]:
        others = [other for other in other_spellings(url) if not self.is_excluded(other)]
        inside = [other for other in others if not self._leads_out(other)]
        if len(inside) < len(others):
            self._outside.add(url)
        return [entry for other in inside if (entry := entry_at(other)) is not None]

    def _leads_out(self, url: str) -> bool:
        return self._within is not None and not store.is_below(url, self._within)


def entry_at(url: str) -> Entry | None:
    """The file, with a problem where it cannot be read; None where there is none."""
    try:
        return next((entry for entry in store.inputs(url) if entry.url == url), None)
    except (*OF_ONE_FILE, UnreadableBucket) as error:
        return Entry(url, 0, None, None, problem=f"{type(error).__name__}: {error}")
