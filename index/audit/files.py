"""Files of an audit: one for each process that opened a version, merged when they are read.

    <index>/audit/<version>-<digest of its manifest>-<process>.json       of a local index
    <cache>/index-audit/<digest of the index's url>/<the same>            of a remote or read-only one, on this machine

A file is replaced in one step and has a checksum, so that a process that is killed loses its last counts alone.  The
digest keeps the counts of an index from those of another one that was built later at the same place.
"""

import hashlib
import logging
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from embed.errors import DegluError
from embed.identity import digest
from embed.storage import store
from embed.storage.cache import cache_folder
from embed.storage.numbered_log import opened, sealed
from index.audit.counts import Counts, parsed, together
from index.parts.artifact import Manifest

logger = logging.getLogger(__name__)

FOLDER, OF_CACHE = "audit", "index-audit"
KIND, FORMAT = "audit of an index", 1
PROCESS_BYTES = 8


@dataclass(frozen=True)
class Audit:
    """All counts of one version, by whatever process."""

    counts: Counts
    since: str | None  # when the first of the processes began; None where there is none
    damaged: tuple[str, ...]  # files that were left out


class CountsFile:
    """The file of one process."""

    def __init__(self, url: str, manifest: Manifest, seed: int) -> None:
        self._url, self._name = url, f"{_stem(manifest)}-{secrets.token_hex(PROCESS_BYTES)}.json"
        self._fixed = {"kind": KIND, "format": FORMAT, "index": url, "version": manifest.version, "seed": seed}
        self._began = _now()
        self._folders = _folders(url)

    def write(self, counts: Mapping[str, Any]) -> None:
        """Replace what was written before.  Where no folder can be written this is logged, once."""
        data = sealed({**self._fixed, "began": self._began, "written": _now(), **counts})
        while self._folders:
            try:
                store.write_bytes(store.join(self._folders[0], self._name), data)
                return
            except (DegluError, OSError) as error:
                self._folders = self._folders[1:]
                if not self._folders:
                    logger.warning("%s: the counts of its audit cannot be kept: %s", self._url, error)


def read_audit(url: str, manifest: Manifest) -> Audit:
    """The counts of all processes; damaged files are left out and named."""
    found, since, damaged = [], [], []
    for place in _places(url, manifest):
        try:
            values = _values(place)
            found.append(parsed(values))
            since.append(str(values["began"]))
        except (DegluError, ValueError, KeyError, TypeError, AttributeError):
            damaged.append(place)
    return Audit(together(found), min(since, default=None), tuple(damaged))


def _values(place: str) -> dict[str, Any]:
    values = opened(store.read_bytes(place))
    if (values["kind"], values["format"]) != (KIND, FORMAT):
        raise ValueError("no counts of an audit")
    return values


def _places(url: str, manifest: Manifest) -> Iterator[str]:
    for folder in _folders(url):
        for entry in store.listing(folder, ".json"):
            if entry.url.rpartition("/")[2].startswith(f"{_stem(manifest)}-"):
                yield entry.url


def _folders(url: str) -> list[str]:
    """Where the counts may be, the better place first."""
    own = [] if store.local_path(url) is None else [store.join(store.absolute(url), FOLDER)]
    try:
        return [*own, str(cache_folder() / OF_CACHE / digest(store.absolute(url)).hex())]
    except DegluError:  # No cache can be made here.
        return own


def _stem(manifest: Manifest) -> str:
    return f"{manifest.version:08d}-{hashlib.sha256(manifest.encoded()).hexdigest()[:12]}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
