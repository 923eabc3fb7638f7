"""Table of repeats: its rows, and its files on the storage of a dataset.

    OUT/repeats/batches/<digest>.parquet   REPEATS of up to a day of units; the units are in the file's metadata
    OUT/repeats/newest.json                names the batches, in order; written last

A batch is named after its units and all units before it, which decide its rows: it never changes, and a run that was
killed finds those that it had finished.
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from embed.errors import InputError, StorageError
from embed.fingerprints.peaks import FRAMES_PER_S
from embed.identity import digest
from embed.storage.store import delete, join, listing, read_bytes, write_bytes
from embed.tables import ID

RULES = 1  # version of the fingerprints and of their matching
GAP_S = 2.0  # between two spans that are joined

REPEATS = pa.schema(
    [
        pa.field("asset_id", ID, nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("end_s", pa.float64(), nullable=False),
        pa.field("of_asset_id", ID, nullable=False),  # repeat_of: the recording that has it first
        pa.field("of_uri", pa.string(), nullable=False),
        pa.field("of_start_s", pa.float64(), nullable=False),
        pa.field("speed", pa.float64(), nullable=False),  # seconds of the first broadcast in a second of this one
        pa.field("peaks", pa.int32(), nullable=False),  # spectral peaks in common, in the best two seconds
        pa.field("unit_id", ID, nullable=False),
    ]
)
_ROWS = b"deglu.units"


@dataclass(frozen=True)
class Batch:
    """Units that were compared with all units before them."""

    name: str
    units: tuple[bytes, ...]
    rows: pa.Table  # REPEATS of these units


def batch_name(before: str, units: Sequence[bytes]) -> str:
    return digest("repeats", RULES, before, *units).hex()


def write_batch(url: str, batch: Batch) -> None:
    table = batch.rows.replace_schema_metadata({_ROWS: json.dumps([unit.hex() for unit in batch.units])})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    write_bytes(_place(url, batch.name), sink.getvalue())


def read_batch(url: str, name: str) -> Batch | None:
    """A finished batch; None where there is none.  Raises StorageError where it is damaged."""
    try:
        data = read_bytes(_place(url, name))
    except InputError:
        return None
    try:
        table = pq.read_table(io.BytesIO(data))
        units = tuple(bytes.fromhex(unit) for unit in json.loads(table.schema.metadata[_ROWS]))
        return Batch(name, units, table.select(REPEATS.names).cast(REPEATS))
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{_place(url, name)}: damaged ({type(error).__name__}); delete it and run again") from error


def newest(url: str) -> dict[str, Any] | None:
    """`batches` (names, in order), `version` and `units` of the newest table; None where there is none."""
    try:
        found: dict[str, Any] = json.loads(read_bytes(join(url, "repeats", "newest.json")))
    except InputError:
        return None
    except ValueError as error:
        raise StorageError(
            f"{url}/repeats/newest.json: damaged; delete it and run `deglu repeats DATASET` again"
        ) from error
    return found if found.get("rules") == RULES else None


def publish(url: str, names: Sequence[str], version: int, units: int, without: int) -> None:
    """Make these batches the newest table, then delete others."""
    values = {"rules": RULES, "version": version, "units": units, "without": without, "batches": list(names)}
    write_bytes(join(url, "repeats", "newest.json"), json.dumps(values, indent=1).encode())
    kept = {_place(url, name) for name in names}
    delete([one.url for one in listing(join(url, "repeats", "batches"), ".parquet") if one.url not in kept])


def delete_table(url: str) -> None:
    delete([join(url, "repeats", "newest.json")])
    delete([one.url for one in listing(join(url, "repeats", "batches"), ".parquet")])


def read_repeats(url: str) -> pa.Table | None:
    """REPEATS of the newest table, by recording and time, spans that continue one another joined; None without one."""
    state = newest(url)
    if state is None:
        return None
    found = [read_batch(url, name) for name in state["batches"]]
    tables = [batch.rows for batch in found if batch is not None]
    return joined(pa.concat_tables([REPEATS.empty_table(), *tables]))


def joined(rows: pa.Table) -> pa.Table:
    """REPEATS by recording and time; spans at the end of one unit and the start of the next are one."""
    in_order = rows.sort_by([("uri", "ascending"), ("start_s", "ascending")])
    return pa.Table.from_pylist(list(_joined(in_order)), REPEATS)


def frames(batch: Batch, unit: bytes) -> list[tuple[int, int]]:
    """First and last frames of the unit's repeats."""
    rows = batch.rows.select(["unit_id", "start_s", "end_s"]).to_pylist()
    mine = (row for row in rows if row["unit_id"] == unit)
    return [(round(row["start_s"] * FRAMES_PER_S), round(row["end_s"] * FRAMES_PER_S)) for row in mine]


def _joined(table: pa.Table) -> Iterator[dict[str, Any]]:
    last: dict[str, Any] | None = None
    for row in table.to_pylist():
        if last is not None and _continues(row, last):
            last["end_s"] = max(last["end_s"], row["end_s"])
            last["peaks"] = max(last["peaks"], row["peaks"])
            continue
        if last is not None:
            yield last
        last = row
    if last is not None:
        yield last


def _continues(row: dict[str, Any], last: dict[str, Any]) -> bool:
    since_s = row["start_s"] - last["start_s"]
    place_s = last["of_start_s"] + since_s * last["speed"]
    return (
        (row["asset_id"], row["of_asset_id"]) == (last["asset_id"], last["of_asset_id"])
        and row["start_s"] <= last["end_s"] + GAP_S
        and abs(place_s - row["of_start_s"]) <= 0.3 + 0.02 * since_s
    )


def _place(url: str, name: str) -> str:
    return join(url, "repeats", "batches", f"{name}.parquet")
