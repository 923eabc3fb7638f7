"""Content of local files: a digest of each is kept with its vectors, so that a copy with other times is not new.

`touch`, a copy or a restored backup changes the times of all files.  Where a file has the size that it had, its content
decides: one reading of it, and its assets keep their content version, and so their ids and vectors.  S3's ETags follow
the content already.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from embed import identity
from embed.audio.table_sounds import place_of
from embed.errors import OF_ONE_FILE
from embed.quantities import many, size
from embed.storage import store
from embed.storage.window import window_of
from embed.tables import Unit

_RECENT = 8
_recent: dict[tuple[str, str], bytes | None] = {}  # digests by url and version: a list has many spans of one file


class Touched(NamedTuple):
    """An asset whose file has the size of before and another time."""

    asset_id: bytes
    before: str  # content version
    url: str
    size_bytes: int


def digest_of_unit(unit: Unit) -> bytes | None:
    """Digest of the file of a unit that begins its asset, of a table the first; None of others, and for ETags."""
    place = place_of(unit["url"])
    is_first = place.row == 0 if place else unit["start"] == 0 or unit["format"] == "utterance"
    if not is_first or not identity.is_of_time(unit["content_version"]):
        return None
    key = file_of(unit["url"]), unit["content_version"]
    if key not in _recent:
        while len(_recent) >= _RECENT:
            _recent.pop(next(iter(_recent)), None)
        _recent[key] = _digest(key[0])
    return _recent[key]


@dataclass
class Contents:
    """The digests that are kept with the vectors, and the files that were compared with them."""

    digests: Callable[[], Mapping[tuple[bytes, str], bytes]]  # by asset and content version; read where needed
    _kept: Mapping[tuple[bytes, str], bytes] | None = None
    _of_files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    _same: dict[str, bool] = field(default_factory=dict)
    _bytes: int = 0

    def unchanged(self, assets: Sequence[Touched], pool: Executor) -> list[bool]:
        """Whether each has the content of before; files are read once each, in order of the assets."""
        if self._kept is None:
            self._kept = self.digests() if assets else {}
        for one in assets:
            if digest := self._kept.get((one.asset_id, one.before)):
                self._of_files[file_of(one.url), one.before] = digest
        known = {file_of(one.url): one for one in assets if (file_of(one.url), one.before) in self._of_files}
        new = {file: one for file, one in known.items() if file not in self._same}
        for (file, one), digest in zip(new.items(), pool.map(_digest, new), strict=True):
            self._same[file] = digest == self._of_files[file, one.before]
            self._bytes += one.size_bytes
        return [self._same.get(file_of(one.url), False) for one in assets]

    def notes(self) -> list[str]:
        """What was read to compare, for the user."""
        if not self._same:
            return []
        same = sum(self._same.values())
        what = f"{many(len(self._same), 'file')} with other times and the size of before, {size(self._bytes)}"
        return [f"{what}: read to compare; {same:,} unchanged, {len(self._same) - same:,} changed"]


def digests_of(ledger: pa.Table) -> dict[tuple[bytes, str], bytes]:
    """The digests in a ledger, by asset and content version."""
    kept = ledger.filter(pc.is_valid(ledger["digest"]))
    assets, versions, digests = (kept[name].to_pylist() for name in ("asset_id", "content_version", "digest"))
    return dict(zip(zip(assets, versions, strict=True), digests, strict=True))


def file_of(url: str) -> str:
    """The file that an asset is in; of a row of a table, the table; of a member of a tar, the member."""
    place = place_of(url)
    return place.table if place else url


def _digest(url: str) -> bytes | None:
    """Digest of a file; None where it cannot be read, or was changed meanwhile."""
    try:
        window = window_of(url)
        file = window.file if window else url
        before = store.inputs(file)
        with store.open_input(url) as stream:
            found = identity.stream_digest(stream)
        return found if store.inputs(file) == before else None
    except OF_ONE_FILE:
        return None
