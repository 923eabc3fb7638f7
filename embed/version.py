"""A published version: one JSON object that names every file a reader needs, and is created last, once."""

import hashlib
import io
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from embed.accounting import Accounting
from embed.errors import InputError, StorageError
from embed.store import join, listing, read_bytes, write_bytes
from embed.tables import ID, LEDGER

SEGMENT = LEDGER.append(pa.field("commit", ID, nullable=False))  # a ledger segment's rows

REPLACED, GONE, FORGOTTEN = "replaced", "gone", "forgotten"
TOMBSTONES = pa.schema(
    [
        pa.field("asset_id", ID, nullable=False),
        pa.field("content_version", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # replaced | gone | forgotten
    ]
)


class FileRef(BaseModel):
    """An immutable file of a version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str  # below the dataset's url
    size_bytes: int
    sha256: str
    rows: int


class Version(BaseModel):
    """All that a version consists of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    number: int
    created: str
    nonce: str
    dims: tuple[int, ...]
    metric: str
    space: str
    encoder: str
    rows: int  # that a reader sees: tombstoned ones are not counted
    accounting: Accounting  # without what is tombstoned
    data: tuple[FileRef, ...]
    ledger: tuple[FileRef, ...]  # segments, oldest first; of a unit that occurs twice the newest row counts
    failures: FileRef
    tombstones: FileRef
    assets: FileRef

    def contents(self) -> dict[str, Any]:
        """What makes it differ from another version: all but number, time and nonce."""
        return self.model_dump(exclude={"number", "created", "nonce"})


def versions(url: str) -> list[int]:
    """Numbers of the published versions, ascending."""
    names = (entry.url.rsplit("/", 1)[-1] for entry in listing(join(url, "versions"), ".json"))
    stems = (name.removesuffix(".json") for name in names)
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def newest_version(url: str) -> Version | None:
    """None where nothing is published yet."""
    numbers = versions(url)
    return read_version(url, numbers[-1]) if numbers else None


def read_version(url: str, number: int) -> Version:
    """Raises InputError, naming what there is, where this version is not."""
    place = version_url(url, number)
    try:
        return Version.model_validate_json(read_bytes(place))
    except InputError:
        known = ", ".join(map(str, versions(url))) or "none"
        raise InputError(f"{url}: no version {number}; published: {known}") from None
    except ValidationError as error:
        raise StorageError(f"{place}: damaged; read an older version") from error


def version_url(url: str, number: int) -> str:
    return join(url, "versions", f"{number:08d}.json")


def write_table(url: str, folder: str, table: pa.Table) -> FileRef:
    """Write a small table under a name that derives from its bytes, so that equal tables are one file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    name = f"{folder}/{digest[:32]}.parquet"
    write_bytes(join(url, name), data)
    return FileRef(name=name, size_bytes=len(data), sha256=digest, rows=table.num_rows)


def read_table(url: str, ref: FileRef) -> pa.Table:
    """The table of one of a version's files.  InputError where it is missing or damaged."""
    place = join(url, ref.name)
    try:
        return pq.read_table(io.BytesIO(read_bytes(place)))
    except pa.ArrowException:
        raise damaged(place) from None


def damaged(url: str) -> InputError:
    """To be raised for a file of a version that is no Parquet."""
    return InputError(f"{url}: damaged, no Parquet file; bring it back from a copy, or embed into another output")


def read_ledger(url: str, version: Version | None) -> pa.Table:
    """The newest row of every unit, as SEGMENT; empty where nothing is published."""
    if version is None:
        return SEGMENT.empty_table()
    segments = [read_table(url, ref) for ref in version.ledger]
    return newest_of_each(pa.concat_tables([SEGMENT.empty_table(), *segments]))


def newest_of_each(ledger: pa.Table) -> pa.Table:
    """The last row of every unit, in the order given."""
    last = {unit: place for place, unit in enumerate(ledger["unit_id"].to_pylist())}
    return ledger if len(last) == ledger.num_rows else ledger.take(pa.array(sorted(last.values()), pa.int64()))


def without_tombstoned(table: pa.Table | pa.RecordBatch, tombstones: pa.Table) -> Any:
    """The rows whose (asset_id, content_version) has no tombstone; a batch gives a batch, a table a table."""
    if tombstones.num_rows == 0:
        return table
    return table.filter(pc.invert(pc.is_in(_key(table), value_set=_key(tombstones))))


def _key(table: Any) -> Any:
    """asset_id has 16 bytes always, so the plain joining of both is unambiguous."""
    parts = (table[name].cast(pa.binary()) for name in ("asset_id", "content_version"))
    return pc.binary_join_element_wise(*parts, b"")
