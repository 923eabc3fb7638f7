"""Scan: one pass over the data files of a version, one row group in memory at a time, for `embed.verify.verify`."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed.dataset import VectorsDataset
from embed.dataset.staging import NORM_TOLERANCE
from embed.dataset.version import FileRef, Version, without_tombstoned
from embed.errors import InputError
from embed.identity import file_sha256
from embed.storage.store import join, local_copy, local_path, open_input
from embed.tables import ID, SPEECH, rows

PREFIXES_AT_ONCE = 1 << 26  # first halves of segment ids held in memory: 512 MB
COLUMNS = ["segment_id", "asset_id", "unit_id", "content_version", "modality", "space", "encoder", "vector"]
COUNTS = pa.schema([pa.field("unit_id", ID), pa.field("rows", pa.int64())])


@dataclass
class Scan:
    """Findings in data files; rows under tombstones count only in `hidden`."""

    files: int = 0
    size_bytes: int = 0
    rows: int = 0
    hidden: int = 0
    files_wrong: list[str] = field(default_factory=list)  # one line each
    vectors_wrong: Counter[bytes] = field(default_factory=Counter)  # rows by unit
    fingerprints_wrong: Counter[tuple[bytes, str]] = field(default_factory=Counter)  # rows by unit and fingerprint
    repeated: Counter[bytes] = field(default_factory=Counter)  # segments that occur again, by unit
    counts: pa.Table = field(default_factory=COUNTS.empty_table)  # live rows of every unit


def scan(dataset: VectorsDataset, seen: Callable[[], None] = lambda: None) -> Scan:
    """Read every data file of the version; `seen` is called after each."""
    found, tombstones = Scan(), dataset.tombstones()
    passes = _passes(sum(ref.rows for ref in dataset.info.data))
    prefixes: list[NDArray[np.uint64]] = []
    counts: list[pa.Table] = []
    for ref in dataset.info.data:
        try:
            for table in _row_groups(dataset.url, ref, found):
                live = _checked(table, tombstones, dataset.info, found)
                counts.append(_counts(live.group_by("unit_id").aggregate([([], "count_all")])))
                prefixes.append(_of_pass(_prefixes(live), 0, passes))
        except (InputError, pa.ArrowException, OSError) as error:
            found.files_wrong.append(_problem_of(ref, error))
        found.files += 1
        seen()
    all_counts = pa.concat_tables([COUNTS.empty_table(), *counts])
    found.counts = _counts(all_counts.group_by("unit_id").aggregate([("rows", "sum")]))
    suspects = [_twice(prefixes)]
    prefixes.clear()
    for number in range(1, passes):
        suspects.append(
            _twice([_of_pass(_prefixes(table), number, passes) for table in _live_ids(dataset, tombstones)])
        )
    found.repeated = _repeated(_live_ids(dataset, tombstones), np.concatenate(suspects))
    return found


def check_file(path: Path, ref: FileRef) -> list[str]:
    """Compare a file with the size and the sha256 in its version; a line for the difference, if any."""
    size = path.stat().st_size
    if size != ref.size_bytes:
        return [f"{ref.name}: {size:,} bytes, the version states {ref.size_bytes:,}"]
    return [] if file_sha256(path) == ref.sha256 else [f"{ref.name}: its sha256 is not the one in the version"]


@contextmanager
def local_file(url: str) -> Iterator[Path]:
    """The file on the local disk, or a temporary copy of a remote one.  InputError where it is missing."""
    path = local_path(url)
    if path is not None:
        if not path.is_file():
            raise InputError(f"{url}: no such file")
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="deglu-") as folder:
        yield local_copy(url, Path(folder))


def _counts(grouped: pa.Table) -> pa.Table:
    return grouped.rename_columns(COUNTS.names).cast(COUNTS)


def _row_groups(url: str, ref: FileRef, found: Scan) -> Iterator[pa.Table]:
    with local_file(join(url, ref.name)) as path:
        found.size_bytes += path.stat().st_size
        wrong = check_file(path, ref)
        found.files_wrong += wrong
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows != ref.rows:
                found.files_wrong.append(f"{ref.name}: {file.metadata.num_rows} rows, the version states {ref.rows}")
            for number in range(file.num_row_groups):
                yield file.read_row_group(number, columns=COLUMNS)


def _checked(table: pa.Table, tombstones: pa.Table, info: Version, found: Scan) -> pa.Table:
    """The live rows, after checking their vectors and fingerprints."""
    live: pa.Table = without_tombstoned(table, tombstones)
    found.rows += live.num_rows
    found.hidden += table.num_rows - live.num_rows
    wrong = live.filter(pa.array(~_is_unit(live, info.dims[0])))
    found.vectors_wrong.update(wrong["unit_id"].to_pylist())
    other = live.filter(_is_of_others(live, info.space, info.encoder))
    for unit, modality, space, encoder in zip(
        *(other[name].to_pylist() for name in ("unit_id", "modality", "space", "encoder")), strict=True
    ):
        fingerprint = f"space {space}" if space != info.space else f"encoder {encoder} ({modality})"
        found.fingerprints_wrong[unit, fingerprint] += 1
    return live


def _is_unit(live: pa.Table, dim: int) -> NDArray[np.bool_]:
    """Whether each vector is finite and of unit length."""
    if live.schema.field("vector").type != rows(dim).field("vector").type:
        return np.zeros(live.num_rows, np.bool_)
    flat = live["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    if len(flat) != live.num_rows * dim:  # a row without a vector
        return np.zeros(live.num_rows, np.bool_)
    lengths = np.linalg.norm(flat.reshape(-1, dim), axis=1)
    good: NDArray[np.bool_] = np.abs(lengths - 1) <= NORM_TOLERANCE  # written so that NaN fails
    return good


def _is_of_others(live: pa.Table, space: str, encoder: str) -> pa.ChunkedArray:
    """Whether each row is from another encoder: text rows depend only on the space, speech rows on both."""
    speech = pc.and_(pc.equal(live["modality"], SPEECH), pc.not_equal(live["encoder"], encoder))
    return pc.or_(pc.not_equal(live["space"], space), speech)


def _passes(num_rows: int) -> int:
    return max(-(-num_rows // PREFIXES_AT_ONCE), 1)


def _prefixes(table: pa.Table) -> NDArray[np.uint64]:
    """The first eight bytes of each segment id."""
    return _bytes_of(table["segment_id"])[:, 0]


def _bytes_of(ids: pa.ChunkedArray) -> NDArray[np.uint64]:
    """[n, 2]: the ids as two numbers each."""
    parts = [
        np.frombuffer(part.buffers()[1], np.uint64).reshape(-1, 2)[part.offset :][: len(part)] for part in ids.chunks
    ]
    return np.concatenate([np.zeros((0, 2), np.uint64), *parts])


def _of_pass(prefixes: NDArray[np.uint64], number: int, passes: int) -> NDArray[np.uint64]:
    """The share of one pass; ids are evenly spread, being digests."""
    return prefixes if passes == 1 else prefixes[prefixes % np.uint64(passes) == number]


def _twice(parts: Iterable[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """The values that occur more than once."""
    values = np.concatenate([np.zeros(0, np.uint64), *parts])
    values.sort()
    return np.unique(values[1:][values[1:] == values[:-1]])


def _repeated(tables: Iterable[pa.Table], suspects: NDArray[np.uint64]) -> Counter[bytes]:
    """Units of equal segment ids, among the ids with equal first halves, and their counts."""
    again: Counter[bytes] = Counter()
    met: set[bytes] = set()
    for table in tables if len(suspects) else ():
        some = table.filter(pa.array(np.isin(_prefixes(table), suspects)))
        for segment, unit in zip(some["segment_id"].to_pylist(), some["unit_id"].to_pylist(), strict=True):
            if segment in met:
                again[unit] += 1
            met.add(segment)
    return again


def _live_ids(dataset: VectorsDataset, tombstones: pa.Table) -> Iterator[pa.Table]:
    """segment_id and unit_id of all live rows, of the files that can be read; the others are reported already."""
    for url in dataset.files():
        try:
            with open_input(url) as stream:
                file = pq.ParquetFile(stream)
                for number in range(file.num_row_groups):
                    yield without_tombstoned(file.read_row_group(number, columns=COLUMNS[:4]), tombstones)
        except (InputError, pa.ArrowException, OSError):
            continue


def _problem_of(ref: FileRef, error: Exception) -> str:
    missing = isinstance(error, InputError)
    return f"{ref.name}: {'missing' if missing else f'not readable as Parquet ({type(error).__name__})'}"
