"""Staging of units: a marker before a unit starts, and one small immutable object as its commit.

attempts/<job>/<unit>          one byte per attempt, so that a listing counts them
staging/<job>/<unit>.parquet   rows; the ledger row and the failures are JSON in the file's metadata (`deglu.unit`)

Each job has its own: units of two models may have the same ids.
"""

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from embed.dataset.job import Job
from embed.errors import FingerprintMismatch, InputError, StorageError
from embed.identity import ID_BYTES
from embed.storage.store import delete, each, exists, in_turn, join, listing, read_bytes, write_bytes
from embed.tables import FAILURES, ID, LEDGER, FailureRow, LedgerRow

UNIT = "deglu.unit"
NORM_TOLERANCE = 0.01  # the error of a unit vector in float16 is at most 0.0005

T = TypeVar("T")


@dataclass(frozen=True)
class StagedUnit:
    """A commit as read back."""

    unit_id: bytes
    commit: bytes  # digest of the object: distinguishes a retry from a unit that is folded already
    rows: pa.Table
    ledger: LedgerRow
    failures: list[FailureRow]


def mark_attempts(job: Job, unit_ids: Iterable[bytes]) -> dict[bytes, int]:
    """Mark units that are about to start; returns each one's number of starts.  A read and a write each."""

    def mark(unit: bytes) -> int:
        count = _attempts_of(job, unit) + 1
        write_bytes(_mark(job, unit), b"." * count)
        return count

    return _each(mark, unit_ids)


def attempts(job: Job) -> dict[bytes, int]:
    """Number of starts of each unit that is in no version; one listing."""
    marks = ((_unit_of(entry.url), entry.size_bytes) for entry in listing(_folder(job, "attempts")))
    return {unit: count for unit, count in marks if unit}


def forgive_attempts(job: Job, unit_ids: Iterable[bytes]) -> None:
    """Forget the starts of units that were stopped through no fault of theirs."""
    delete([_mark(job, unit) for unit in unit_ids])


def commit_unit(job: Job, rows: pa.Table, ledger: LedgerRow, failures: pa.Table) -> None:
    """Commit a unit by writing its one object; a second commit replaces it.

    `rows` fits rows(D), in the order to be kept; `ledger` is one LEDGER row; `failures` fits FAILURES.
    Raises ValueError where they contradict each other or a vector is not of unit length: an error of the caller.
    """
    row: LedgerRow = pa.Table.from_pylist([ledger], schema=LEDGER).to_pylist()[0]
    unit_id, table = row["unit_id"], rows.select(job.row_schema().names).cast(job.row_schema())
    _check(unit_id, row, table, failures)
    unit = {"ledger": row, "failures": failures.cast(FAILURES).to_pylist()}
    schema = job.row_schema(unit=json.dumps(unit, default=bytes.hex, sort_keys=True, ensure_ascii=False))
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(schema.metadata), sink, compression="zstd")
    write_bytes(_place(job, unit_id), sink.getvalue())


def staged(job: Job) -> list[bytes]:
    """Ids of the units in staging, sorted; one listing."""
    units = (_unit_of(entry.url) for entry in listing(_folder(job, "staging"), ".parquet"))
    return sorted(unit for unit in units if unit)


def staged_of(job: Job, unit_ids: Iterable[bytes]) -> set[bytes]:
    """Those of the units that are in staging; one small request each, no listing."""
    return {unit for unit, found in _each(lambda unit: exists(_place(job, unit)), unit_ids).items() if found}


def read_units(job: Job, unit_ids: Sequence[bytes]) -> Iterator[StagedUnit]:
    """The staged units, in the given order, a few in memory at a time.

    Missing ones are left out: only a publisher that has published them deletes them.
    """
    found = in_turn(lambda unit: _read(_place(job, unit)), unit_ids)
    for unit_id, data in zip(unit_ids, found, strict=True):
        if data is not None:
            yield _parse(job, _place(job, unit_id), data)


def marks_of(job: Job, unit_ids: Sequence[bytes]) -> list[str]:
    """Urls of the markers and then the commits of units, to be deleted once a version has them."""
    return [_mark(job, unit) for unit in unit_ids] + [_place(job, unit) for unit in unit_ids]


def _check(unit_id: bytes, ledger: LedgerRow, rows: pa.Table, failures: pa.Table) -> None:
    name = f"unit {unit_id.hex()}"
    if ledger["rows"] != rows.num_rows:
        raise ValueError(f"{name}: the ledger has {ledger['rows']} rows, but there are {rows.num_rows}")
    for table in (rows, failures):
        if not pc.all(pc.equal(table["unit_id"], pa.scalar(unit_id, ID)), min_count=0).as_py():
            raise ValueError(f"{name}: a row of another unit")
    vectors = rows["vector"].combine_chunks()
    flat = vectors.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    lengths = np.linalg.norm(flat.reshape(rows.num_rows, -1), axis=1) if rows.num_rows else np.ones(1)
    if not np.all(np.abs(lengths - 1) <= NORM_TOLERANCE):  # written so that NaN fails
        raise ValueError(f"{name}: a vector is not of unit length")


def _parse(job: Job, place: str, data: bytes) -> StagedUnit:
    try:
        table = pq.read_table(io.BytesIO(data))
        metadata = table.schema.metadata
        unit = json.loads(metadata[UNIT.encode()])
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{place}: damaged ({type(error).__name__}); delete it and run again") from error
    if metadata[b"deglu.encoder"].decode() != job.encoder:
        raise FingerprintMismatch(
            f"{place} was embedded by {metadata[b'deglu.encoder'].decode()}, the job by {job.encoder};"
            " delete the file and run again"
        )
    ledger: LedgerRow = _with_ids(unit["ledger"], LEDGER)
    commit = hashlib.blake2b(data, digest_size=ID_BYTES).digest()
    failures = [_with_ids(failure, FAILURES) for failure in unit["failures"]]
    return StagedUnit(ledger["unit_id"], commit, table.replace_schema_metadata(None), ledger, failures)


def _with_ids(row: dict[str, Any], schema: pa.Schema) -> Any:
    ids = {field.name for field in schema if field.type == ID}
    return {name: bytes.fromhex(value) if name in ids and value is not None else value for name, value in row.items()}


def _attempts_of(job: Job, unit_id: bytes) -> int:
    return len(_read(_mark(job, unit_id)) or b"")


def _read(url: str) -> bytes | None:
    """The bytes; None where there is no file."""
    try:
        return read_bytes(url)
    except InputError:
        return None


def _each(act: Callable[[bytes], T], unit_ids: Iterable[bytes]) -> dict[bytes, T]:
    units = list(dict.fromkeys(unit_ids))
    return dict(zip(units, each(act, units), strict=True))


def _folder(job: Job, kind: str) -> str:
    return join(job.url, kind, f"{job.number:08d}")


def _mark(job: Job, unit_id: bytes) -> str:
    return join(_folder(job, "attempts"), unit_id.hex())


def _place(job: Job, unit_id: bytes) -> str:
    return join(_folder(job, "staging"), f"{unit_id.hex()}.parquet")


def _unit_of(url: str) -> bytes | None:
    """The unit's id; None for a file that Deglu did not write."""
    stem = url.rsplit("/", 1)[-1].removesuffix(".parquet")
    return bytes.fromhex(stem) if re.fullmatch(f"[0-9a-f]{{{2 * ID_BYTES}}}", stem) else None
