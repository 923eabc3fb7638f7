"""Published version: one entry of the log that names every file a reader needs, and the reading of those files."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from embed.accounting import Accounting
from embed.errors import InputError
from embed.storage.names import PlainPath
from embed.storage.numbered_log import sealed
from embed.storage.store import join, open_input, read_bytes, write_bytes
from embed.tables import ID, LEDGER

LEDGER_ROWS = LEDGER.append(pa.field("commit", ID, nullable=False))  # a ledger segment's rows

REPLACED, GONE, FORGOTTEN = "replaced", "gone", "forgotten"
TOMBSTONES = pa.schema(
    [
        pa.field("asset_id", ID, nullable=False),
        pa.field("content_version", pa.string(), nullable=False),  # of forgotten assets: any value
        pa.field("reason", pa.string(), nullable=False),  # replaced | gone | forgotten
    ]
)
LARGE_BYTES = 8 << 20  # size of a ledger segment from which on only the needed columns are fetched


class FileRef(BaseModel):
    """An immutable file of a version; its name begins with the number of the entry it was written for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: PlainPath  # below the dataset's url: <folder>/<number>-<digest>.parquet
    size_bytes: int
    sha256: str
    rows: int


class Version(BaseModel):
    """Contents of an entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 2
    number: int
    job: int  # number of the job (see `embed.dataset.job`)
    complete: bool
    published: tuple[int, ...] = ()  # complete entries before this one that can be read
    draft: int | None = None  # of a complete entry: the draft that writers continue from
    created: str
    nonce: str
    dims: tuple[int, ...]
    metric: str
    space: str
    encoder: str
    rows: int  # visible to readers: tombstoned ones are not counted
    accounting: Accounting  # without tombstoned units
    data: tuple[FileRef, ...]
    ledger: tuple[FileRef, ...]  # segments, oldest first; of a unit that occurs twice the newest row counts
    failures: FileRef
    tombstones: FileRef
    assets: FileRef | None  # a draft may have none

    def encoded(self) -> bytes:
        """The bytes of the log's entry."""
        return sealed(self.model_dump(mode="json"))

    def contents(self) -> dict[str, Any]:
        """The fields that distinguish versions: all except place in the log, time and nonce."""
        return self.model_dump(exclude={"number", "published", "draft", "created", "nonce"})

    def files(self) -> Iterator[FileRef]:
        """Every file it names."""
        yield from (*self.data, *self.ledger, self.failures, self.tombstones)
        if self.assets is not None:
            yield self.assets

    def readable(self) -> tuple[int, ...]:
        """Numbers of the complete entries up to this one."""
        return (*self.published, self.number) if self.complete else self.published


def write_table(
    url: str, folder: str, table: pa.Table, number: int | None = None, former: FileRef | None = None
) -> FileRef:
    """Write a small table under a name that derives from its bytes and from the number of its entry.

    If `former` has the same bytes, it is returned instead.
    """
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    if former is not None and former.sha256 == digest:
        return former
    name = file_name(folder, number, digest[:32])
    write_bytes(join(url, name), data)
    return FileRef(name=name, size_bytes=len(data), sha256=digest, rows=table.num_rows)


def file_name(folder: str, number: int | None, stem: str) -> str:
    """Name of a file; by its number a purge knows that no later entry will name the file."""
    return f"{folder}/{stem}.parquet" if number is None else f"{folder}/{number:08d}-{stem}.parquet"


def read_table(url: str, ref: FileRef, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of one of a version's files, without columns that it lacks.  InputError: it is missing or damaged."""
    place, names = join(url, ref.name), None if columns is None else list(columns)  # pyarrow takes no tuple
    try:
        if ref.size_bytes < LARGE_BYTES:
            return pq.ParquetFile(io.BytesIO(read_bytes(place))).read(names)
        with open_input(place) as stream:
            return pq.ParquetFile(stream).read(names)
    except pa.ArrowException:
        raise damaged(place) from None


def damaged(url: str) -> InputError:
    """The error to raise for a file of a version that is not Parquet."""
    return InputError(f"{url}: damaged, not a Parquet file; restore it from a backup, or embed into another output")


def read_ledger(url: str, version: Version | None) -> pa.Table:
    """The newest row of every unit, as LEDGER_ROWS; empty where nothing is published."""
    segments = [read_table(url, ref) for ref in version.ledger] if version else []
    # An older Deglu recorded neither reasons nor descriptions.
    return newest_of_each(pa.concat_tables([LEDGER_ROWS.empty_table(), *segments], promote_options="default"))


def read_unit_ids(url: str, version: Version | None) -> pa.ChunkedArray:
    """Ids of the units in the ledger, retried ones several times; reads no other column."""
    segments = [read_table(url, ref, ["unit_id"])["unit_id"] for ref in version.ledger] if version else []
    return pa.chunked_array([chunk for segment in segments for chunk in segment.chunks], ID)


def newest_of_each(ledger: pa.Table) -> pa.Table:
    """The last row of every unit, in the order given."""
    if not may_repeat(ledger["unit_id"]):
        return ledger
    places = pa.table({"unit_id": ledger["unit_id"], "place": np.arange(ledger.num_rows)})
    last = places.group_by("unit_id", use_threads=False).aggregate([("place", "max")])["place_max"]
    return ledger.take(pa.array(np.sort(last.to_numpy())))


def may_repeat(ids: pa.ChunkedArray) -> bool:
    """False only where each id occurs once; then rarely True.  Compares half of each id, with a tenth of the memory."""
    parts = (np.frombuffer(chunk.buffers()[1], "<u8")[2 * chunk.offset :][: 2 * len(chunk) : 2] for chunk in ids.chunks)
    halves = np.sort(np.concatenate([np.zeros(0, np.uint64), *parts]))
    return bool((halves[1:] == halves[:-1]).any())


def without_tombstoned(table: pa.Table | pa.RecordBatch, tombstones: pa.Table) -> Any:
    """The rows that no tombstone hides: of a pair (asset_id, content_version), or of an asset that is forgotten.

    A batch gives a batch, a table a table.
    """
    if tombstones.num_rows == 0:
        return table
    hidden = pc.or_(
        pc.is_in(table["asset_id"], value_set=in_one(forgotten_of(tombstones))),
        pc.is_in(key_of(table), value_set=in_one(key_of(tombstones))),
    )
    return table.filter(pc.invert(hidden))


def forgotten_of(tombstones: pa.Table) -> pa.Array:
    """Ids of the assets that are forgotten, with any content."""
    return in_one(tombstones.filter(pc.equal(tombstones["reason"], FORGOTTEN))["asset_id"])


def key_of(table: Any) -> Any:
    """asset_id and content_version as one value, a key for look-ups."""
    # asset_id always has 16 bytes, so joining both is unambiguous.
    parts = (table[name].cast(pa.binary()) for name in ("asset_id", "content_version"))
    return pc.binary_join_element_wise(*parts, b"")


def in_one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
