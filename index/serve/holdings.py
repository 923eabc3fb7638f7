"""Holdings: the indexes that a service answers from, each in its newest version.

A newer version is opened next to the one in use and takes its place when it can answer; requests that have begun keep
the version that they began with.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from embed.errors import DegluError, SpecError
from embed.storage.numbered_log import newest_number
from index.ask.searcher import Index
from index.contracts import SearchRequest
from index.filter import parse_where
from index.serve.access import RESTRICTED, Caller
from index.serve.problems import Problem
from index.serve.recordings import Recordings, Sounds

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holding:
    """One opened version of an index, with its recordings."""

    name: str
    index: Index
    recordings: Recordings

    @cached_property
    def restricted(self) -> bool:
        """Whether some rows may not be seen by everybody."""
        return self.index.count(parse_where(RESTRICTED)) > 0

    @property
    def version(self) -> int:
        return self.index.manifest.number

    @cached_property
    def open_rows(self) -> int:
        """Rows that everybody may see."""
        return self.index.count(Caller("everybody").where(None, self.restricted))

    def sees_all(self, caller: Caller) -> bool:
        """Whether a caller may see every row."""
        return self._seen(caller, None)

    def all_seen(self, caller: Caller, asset_id: bytes, start_s: float, end_s: float) -> bool:
        """Whether a caller may see every row that has sound of this stretch of a recording."""
        return self._seen(caller, f"asset_id = '{asset_id.hex()}' and start_s < {end_s:.3f} and end_s > {start_s:.3f}")

    def _seen(self, caller: Caller, where: str | None) -> bool:
        if not self.restricted:
            return True
        every = self.index.count(parse_where(where) if where else None)
        return self.index.count(caller.where(where, True)) == every

    def warm(self) -> None:
        """Read what the first search would read, so that no caller waits for it."""
        _ = self.restricted
        question = np.ones((1, self.index.dims[0]), np.float32)
        found = self.index.search(question, SearchRequest())
        self.index.rows(found.ids[found.ids >= 0][:1])


class Holdings:
    """All indexes of a service, by name."""

    def __init__(self, urls: Sequence[str], opened: Callable[[str], Index], sounds: Sounds | None) -> None:
        """`opened` opens the newest version of a url.  Raises SpecError for two indexes of one name."""
        self._opened, self._sounds = opened, sounds
        self._urls = {name_of(url): url for url in urls}
        if len(self._urls) < len(urls):
            raise SpecError("two of the indexes have one name, the last part of their urls; rename one of the folders")
        self._held = {name: self._open(name) for name in self._urls}

    @property
    def all(self) -> Mapping[str, Holding]:
        return self._held

    @property
    def first(self) -> Holding:
        return next(iter(self._held.values()))

    def of(self, name: str | None) -> Holding:
        """The index of a name; the first for none.  Raises Problem naming those that there are."""
        if name is None:
            return self.first
        if name not in self._held:
            raise Problem(404, f"no index has this name; give one of: {', '.join(self._held)}")
        return self._held[name]

    def renew(self) -> list[str]:
        """Open newer versions where there are; their names.  An index that cannot be read now stays as it is."""
        renewed = []
        for name, url in self._urls.items():
            try:
                if newest_number(url) <= self._held[name].version:
                    continue
                held, self._held[name] = self._held[name], self._open(name)
            except DegluError as error:
                log.warning("%s: version %d stays in use: %s", url, self._held[name].version, error)
                continue
            held.index.close()
            renewed.append(name)
        return renewed

    def close(self) -> None:
        """Keep what audits have counted."""
        for held in self._held.values():
            held.index.close()

    def _open(self, name: str) -> Holding:
        index = self._opened(self._urls[name])
        held = Holding(name, index, Recordings(index.manifest, self._sounds))
        held.warm()
        return held


def name_of(url: str) -> str:
    """The last part of an index's url."""
    return url.rstrip("/").rpartition("/")[2]
