"""Fingerprints of a dataset's units, on its storage: one small file for each, written before the unit is committed.

    OUT/repeats/prints/<unit>.parquet     frames and pitches of its peaks; its recording is in the file's metadata

A unit that is embedded again writes an equal file, so that a retry changes nothing.
"""

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embed.errors import StorageError
from embed.fingerprints.matching import Printed
from embed.fingerprints.peaks import Peaks
from embed.storage.store import delete, in_turn, join, listing, read_bytes, write_bytes

PRINTS = "repeats/prints"
_PEAKS = pa.schema([pa.field("frame", pa.int32(), nullable=False), pa.field("pitch", pa.int16(), nullable=False)])


def keep_print(url: str, unit_id: bytes, recording: bytes, peaks: Peaks) -> None:
    """Write the fingerprint of a unit; `recording` is the id of its asset."""
    table = pa.table([pa.array(peaks.frame), pa.array(peaks.pitch.astype(np.int16))], schema=_PEAKS)
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"deglu.asset_id": recording.hex()}), sink, compression="zstd")
    write_bytes(_place(url, unit_id), sink.getvalue())


def units_with_prints(url: str) -> set[bytes]:
    """Ids of the units that have a fingerprint; one listing."""
    names = (entry.url.rsplit("/", 1)[-1] for entry in listing(join(url, PRINTS), ".parquet"))
    return {bytes.fromhex(name.removesuffix(".parquet")) for name in names}


def read_prints(url: str, unit_ids: Sequence[bytes]) -> list[Printed]:
    """The fingerprints of units, in their order.  Raises StorageError for a damaged file."""
    return list(in_turn(lambda unit: _read(_place(url, unit)), unit_ids))


def drop_prints(url: str, unit_ids: Sequence[bytes]) -> None:
    delete([_place(url, unit) for unit in unit_ids])


def _read(place: str) -> Printed:
    try:
        table = pq.read_table(io.BytesIO(read_bytes(place)))
        recording = bytes.fromhex(table.schema.metadata[b"deglu.asset_id"].decode())
        frame, pitch = (table[name].to_numpy().astype(np.int32) for name in _PEAKS.names)
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{place}: damaged ({type(error).__name__}); delete it and run again") from error
    return Printed(recording, Peaks(frame, pitch))


def _place(url: str, unit_id: bytes) -> str:
    return join(url, PRINTS, f"{unit_id.hex()}.parquet")
