"""The index on storage: the files of its parts, and the manifest that publishes a version.

    <index>/versions/00000001.json            the manifest; its existence publishes the version
    <index>/parts/coder-<modality>-<digest>/centroids.f32.npy    [L, d], the lists' middles, in the coder's order
                                            codebook.f32.npy     [M, 16, d / M], the value of each 4-bit code
                                            gains.f32.npy        [M], see `index.rungs.coder`
                                            order.i64.npy        [d], dims of a vector, in the coder's order
    <index>/parts/router-<modality>-<digest>/router.f32.npy      [L, D + 1], weights and bias, see `index.rungs.router`
                                              sizes.i64.npy        [L], rows of each list when the curves were measured
    <index>/parts/rows-<modality>-<digest>/codes.faiss           4-bit codes by list; only of coded segments
                                           rows.i8.npy           [n, D], only of coded segments
                                           scales.f32.npy        [n], the scale of each row of `rows.i8`
                                           rows.f16.npy          [n, D], mapped, never read as a whole
                                           provenance.parquet    copies of the dataset's provenance columns
    <index>/parts/removed-<digest>/removed.parquet               REMOVED: rows that may not be hits
    <index>/building/                                            checkpoint of a build; deleted when it is published

Rows of a coded segment are ordered by list, then by segment_id; of a flat one by segment_id.  A part is named after its
content and never changes, so that versions share parts and caches never go stale.
"""

from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from embed.errors import InputError, StorageError
from embed.storage import store
from embed.storage.names import PlainName
from embed.storage.numbered_log import entry_url, newest_number, opened, sealed
from embed.tables import ID
from index.ladder import Curve
from index.spec import IndexSpec

FORMAT = 3
READABLE = (2, 3)  # 2: curves for ten hits alone, and no sizes of the lists when they were measured
CENTROIDS, CODEBOOK, GAINS, ORDER = "centroids.f32.npy", "codebook.f32.npy", "gains.f32.npy", "order.i64.npy"
ROUTER, LIST_SIZES = "router.f32.npy", "sizes.i64.npy"
CODES, ROWS_8, SCALES, ROWS = "codes.faiss", "rows.i8.npy", "scales.f32.npy", "rows.f16.npy"
PROVENANCE_COPY, REMOVED_ROWS = "provenance.parquet", "removed.parquet"
WITHDRAWN = "withdrawn index"  # kind of the note that replaces a removed manifest: see `index.live.purge`

# Why a row is removed: its asset was forgotten, its content replaced or gone in the dataset; or deleted in the index.
FORGOTTEN, REPLACED, DELETED = "forgotten", "replaced", "deleted"
REMOVED = pa.schema(
    [
        pa.field("segment_id", ID, nullable=False),
        pa.field("asset_id", ID, nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("part", pa.string()),  # where the row still is; null once compacted away
        pa.field("position", pa.int64()),  # in that part
    ]
)


class OtherFormat(InputError):
    """The index has another format than this Deglu reads; it must be built again."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Part):
    bytes: int
    sha256: str


class PartEntry(_Part):
    """A folder below `parts`."""

    name: PlainName
    files: dict[PlainName, FileEntry]


class SegmentEntry(_Part):
    part: PartEntry
    modality: str
    first_id: int  # the id of its first row; a row's id is this plus its position
    rows: int  # stored, removed ones included
    coded: bool
    encoder: str
    drift: float | None  # error of its codes over that of the rows the coder was made from; None where not coded


class TopScores(_Part):
    """Usual scores of a modality's best answers, in deviations above its background: `index.calibration.blend`."""

    mean: float
    std: float


class ModalityEntry(_Part):
    """The parts and measurements that all segments of one modality share."""

    coder: PartEntry | None  # None: every row is read
    router: PartEntry | None
    curves: tuple[Curve, ...]  # by dim, full width first; empty where every row is read
    top_scores: dict[int, TopScores]  # by dim


class Lineage(_Part):
    """The dataset of the rows; only --append and verify read it again."""

    url: str
    version: int
    sha256: str | None  # of the dataset version's manifest
    settings: dict[str, Any]  # the dataset was embedded with these; its `encoder`, if any, can encode questions


class Manifest(_Part):
    kind: Literal["index"] = "index"
    format: int
    version: int
    spec: IndexSpec
    space: str
    dims: tuple[int, ...]
    metric: Literal["cosine"]
    rows: int  # that may be hits
    segments: tuple[SegmentEntry, ...]  # by modality, then first_id
    modalities: dict[str, ModalityEntry]
    removed: PartEntry | None
    lineage: Lineage

    @property
    def number(self) -> int:
        """Number of its entry in the log of versions."""
        return self.version

    def encoded(self) -> bytes:
        """The bytes of its entry in the log, whose creation publishes the version."""
        return sealed(self.model_dump(mode="json"))

    @property
    def parts(self) -> list[PartEntry]:
        """Every part that this version needs, each once."""
        shared = [part for entry in self.modalities.values() for part in (entry.coder, entry.router)]
        named = {part.name: part for part in [*(s.part for s in self.segments), *shared, self.removed] if part}
        return list(named.values())

    def calls_same(self, other: "Manifest") -> bool:
        """Whether both versions hold the same index; measured times may differ."""
        return self._content() == other._content()

    def _content(self) -> dict[str, Any]:
        values = self.model_dump(exclude={"version": True, "modalities": True, "spec": {"device", "output", "workers"}})
        shared = {name: (entry.coder, entry.router, entry.top_scores) for name, entry in self.modalities.items()}
        return values | {"shared": shared}


def read_manifest(url: str, version: int | None = None) -> Manifest:
    """A version's manifest; None is the newest.  Raises InputError where there is none, StorageError if damaged."""
    number = version or newest_number(url)
    place = entry_url(url, number)
    if not number or not store.exists(place):
        what = f"no version {version}" if version else "no index"
        raise InputError(f"{url}: {what} here; build one with `deglu index SPEC`, whose output is this url")
    return _parsed(store.read_bytes(place), place)


def part_url(url: str, part: str) -> str:
    return store.join(url, "parts", part)


def _parsed(data: bytes, place: str) -> Manifest:
    try:
        values = opened(data)
        if values.get("kind") == WITHDRAWN:
            raise InputError(f"{place}: {values['why']}")
        if values.get("kind") != "index":
            raise InputError(f"{place}: not the manifest of an index; give an index, as `deglu index SPEC` writes it")
        if values.get("format") not in READABLE:
            raise OtherFormat(
                f"{place}: index format {values.get('format')}, this Deglu reads {FORMAT}; build it again"
            )
        return Manifest.model_validate(values)
    except (ValueError, AttributeError, KeyError, RecursionError, ValidationError):
        raise StorageError(f"{place}: damaged manifest; build the index again with `deglu index SPEC`") from None
