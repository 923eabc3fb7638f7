"""The index on disk: what its manifest says, and how a version is published.

    <index>/versions/00000001.json            the manifest; its existence publishes the version
    <index>/segments/<modality>-<digest>/prefix.faiss         unit prefixes, a faiss inner-product index
                                        /rows.f16.npy         full-width rows, half precision, mmap-able
                                        /provenance.parquet   copies of the dataset's provenance columns

Segments are named after their content and never change, so that versions share them and caches never go stale.
"""

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from embed import store
from embed.errors import InputError, StorageError
from index.spec import IndexSpec

FORMAT = 1
PREFIX, ROWS, PROVENANCE_COPY = "prefix.faiss", "rows.f16.npy", "provenance.parquet"
VERSION_DIGITS = 8


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Part):
    bytes: int
    sha256: str


class SegmentEntry(_Part):
    name: str
    modality: str
    first_id: int
    rows: int
    encoder: str
    files: dict[str, FileEntry]


class TopScores(_Part):
    """How far above the modality's background its best answers usually stand: `index.calibrate`."""

    mean: float
    std: float


class Calibration(_Part):
    top_scores: dict[int, TopScores]  # by dim
    recall_at_10: float  # of shortlist + rank at the spec's depth, against reading every row
    depth: int
    queries: int


class Lineage(_Part):
    """Where the rows came from; nothing is read from there again."""

    url: str
    version: int
    sha256: str | None  # of the dataset version's manifest
    settings: dict[str, Any]  # what the dataset was embedded with; its `encoder`, where there is one, can be asked with


class Manifest(_Part):
    kind: Literal["index"] = "index"
    format: int
    version: int
    spec: IndexSpec
    space: str
    dims: tuple[int, ...]
    metric: Literal["cosine"]
    rows: int
    segments: tuple[SegmentEntry, ...]
    calibration: dict[str, Calibration]  # by modality
    lineage: Lineage

    def calls_same(self, other: "Manifest") -> bool:
        """Whether both versions hold the same index."""
        mine, theirs = (m.model_dump(exclude={"version": True, "spec": {"device", "output"}}) for m in (self, other))
        return mine == theirs


def publish(url: str, manifest: Manifest) -> bool:
    """Make the version visible, whole; False where another writer published this version first."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True)
    return store.create_exclusive(manifest_url(url, manifest.version), text.encode())


def newest_version(url: str) -> int:
    """0 where there is none."""
    names = [_stem(entry.url) for entry in store.listing(store.join(url, "versions"), ".json")]
    return max((int(name) for name in names if name.isdigit()), default=0)


def read_manifest(url: str, version: int | None = None) -> Manifest:
    """A version's manifest; None is the newest.  Raises InputError where there is none, StorageError if damaged."""
    wanted = version or newest_version(url)
    place = manifest_url(url, wanted)
    if not wanted or not store.exists(place):
        what = f"no version {version}" if version else "no index"
        raise InputError(f"{url}: {what} here; build one with `deglu index SPEC`, whose output is this url")
    return _parsed(store.read_bytes(place), place)


def manifest_url(url: str, version: int) -> str:
    return store.join(url, "versions", f"{version:0{VERSION_DIGITS}d}.json")


def segment_url(url: str, segment: str) -> str:
    return store.join(url, "segments", segment)


def _parsed(data: bytes, place: str) -> Manifest:
    try:
        values: dict[str, Any] = json.loads(data)
        if values.get("kind") != "index":
            raise InputError(f"{place}: no manifest of an index; ask an index, as `deglu index SPEC` writes it")
        if values.get("format") != FORMAT:
            raise InputError(f"{place}: index format {values.get('format')}, this Deglu reads {FORMAT}; build it again")
        return Manifest.model_validate(values)
    except (ValueError, AttributeError, ValidationError):
        raise StorageError(f"{place}: damaged manifest; build the index again with `deglu index SPEC`") from None


def _stem(url: str) -> str:
    return url.rsplit("/", 1)[-1].removesuffix(".json")
