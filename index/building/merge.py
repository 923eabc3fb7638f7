"""The merge: shards, or segments, of one modality become one segment.

Every source is already in the order of the result: by list, then by segment_id.  So a merge reads each source once from
start to end, keeps a stretch of each in memory, and its bytes do not depend on how the rows were divided.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from embed.tables import PROVENANCE
from index.building.survey import Ids, ids_of
from index.contracts import IntArray
from index.faiss_library import library
from index.parts.artifact import CODES, PROVENANCE_COPY, ROWS, ROWS_8, SCALES, SegmentEntry
from index.parts.write import part_of
from index.rungs.coder import Coder

SLICE_ROWS = 65_536  # of provenance, written at a time: a row group
CHUNK_ROWS = 16_384  # of vectors
READ_ROWS = 2_048
LARGEST = 127  # of a signed 8-bit value


@dataclass(frozen=True)
class Source:
    """Rows for a segment, in the order of the segment."""

    rows: NDArray[np.float16]  # [n, D], mapped
    lists: NDArray[np.int32] | None  # [n], where there is a coder
    provenance: Path  # Parquet, [n]
    keep: NDArray[np.bool_] | None = None  # [n]; None is all

    @cached_property
    def kept(self) -> IntArray:
        """Positions of the rows that are kept, ascending."""
        return np.arange(len(self.rows)) if self.keep is None else np.flatnonzero(self.keep)

    def ids(self) -> Ids:
        """Ids of the rows that are kept."""
        return ids_of(pq.read_table(self.provenance, columns=["segment_id"])["segment_id"])[self.kept]


def write_segment(sources: Sequence[Source], coder: Coder | None, folder: Path) -> None:
    """Write all kept rows of the sources, at least one, as the files of one segment into the empty `folder`."""
    order = _Order(sources)
    with pq.ParquetWriter(folder / PROVENANCE_COPY, PROVENANCE, compression="zstd") as writer:
        for some in order.provenance():
            writer.write_table(some, row_group_size=SLICE_ROWS)
    _write_rows(order, folder / ROWS)
    if coder is not None:
        rows = np.load(folder / ROWS, mmap_mode="r")
        _write_bytes(rows, folder)
        library().write_index(coder.codes(_chunks(rows), order.lists), str(folder / CODES))


def segment_entry(
    folder: Path, modality: str, first_id: int, encoder: str, coded: bool, drift: float | None
) -> SegmentEntry:
    """The manifest's entry for the segment in `folder`."""
    return SegmentEntry(
        part=part_of(f"rows-{modality}", folder),
        modality=modality,
        first_id=first_id,
        rows=len(np.load(folder / ROWS, mmap_mode="r")),
        coded=coded,
        encoder=encoder,
        drift=drift,
    )


class _Order:
    """The order of all kept rows in the segment: by list, then by segment_id."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = [source for source in sources if len(source.kept)]
        self._starts = np.cumsum([0, *(len(source.kept) for source in self._sources)])
        lists = np.concatenate([_lists(source) for source in self._sources])
        # Positions in the concatenation of all sources, in the order of the segment.
        self._order = np.lexsort((np.concatenate([source.ids() for source in self._sources]), lists))
        self.lists: NDArray[np.int32] = lists[self._order]  # [n] ascending

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._order), self._sources[0].rows.shape[1]

    def rows(self) -> Iterator[NDArray[np.float16]]:
        """Vectors in order, in chunks."""
        for first in range(0, len(self._order), CHUNK_ROWS):
            places = self._order[first : first + CHUNK_ROWS]
            rows = np.empty((len(places), self.shape[1]), np.float16)
            for number, here in self._shares(places):
                source = self._sources[number]
                rows[here] = source.rows[source.kept[places[here] - self._starts[number]]]
            yield rows

    def provenance(self) -> Iterator[pa.Table]:
        """Provenance in order, in slices that are one chunk each, so that equal rows give equal files."""
        readers = [_Reader(source) for source in self._sources]
        for first in range(0, len(self._order), SLICE_ROWS):
            places = self._order[first : first + SLICE_ROWS]
            pieces = [readers[number].take(len(here)) for number, here in self._shares(places)]
            # The pieces are ordered by source, that is, by their places.
            back = np.searchsorted(np.sort(places), places)
            yield pa.concat_tables(pieces).combine_chunks().take(pa.array(back))

    def _shares(self, places: IntArray) -> Iterator[tuple[int, IntArray]]:
        """For each source, the positions of its rows in `places`."""
        numbers = np.searchsorted(self._starts, places, side="right") - 1
        for number in np.unique(numbers):
            yield int(number), np.flatnonzero(numbers == number)


class _Reader:
    """The provenance of a source's kept rows, from the first to the last."""

    def __init__(self, source: Source) -> None:
        self._batches = self._read(source)
        self._waiting: list[pa.RecordBatch] = []

    def take(self, count: int) -> pa.Table:
        """The next `count` rows."""
        while sum(batch.num_rows for batch in self._waiting) < count:
            self._waiting.append(next(self._batches))
        table = pa.Table.from_batches(self._waiting)
        self._waiting = table.slice(count).to_batches()
        return table.slice(0, count)

    def _read(self, source: Source) -> Iterator[pa.RecordBatch]:
        done = 0
        with pq.ParquetFile(source.provenance) as file:
            for batch in file.iter_batches(READ_ROWS, columns=PROVENANCE.names, use_threads=False):
                keep = None if source.keep is None else source.keep[done : done + batch.num_rows]
                done += batch.num_rows
                yield batch if keep is None else batch.filter(pa.array(keep))


def _lists(source: Source) -> NDArray[np.int32]:
    return np.zeros(len(source.kept), np.int32) if source.lists is None else source.lists[source.kept]


def _write_rows(order: _Order, path: Path) -> None:
    target = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=order.shape)
    done = 0
    for rows in order.rows():
        target[done : done + len(rows)] = rows
        done += len(rows)
    target.flush()


def _write_bytes(rows: NDArray[np.float16], folder: Path) -> None:
    """Each row in 8 bits a value, and its scale: the largest value of a row becomes 127."""
    target = np.lib.format.open_memmap(folder / ROWS_8, mode="w+", dtype=np.int8, shape=rows.shape)
    scales = np.empty(len(rows), np.float32)
    done = 0
    for chunk in _chunks(rows):
        some = slice(done, done + len(chunk))
        values = chunk.astype(np.float32)
        scales[some] = np.abs(values).max(axis=1) / LARGEST
        target[some] = np.rint(values / np.where(scales[some] > 0, scales[some], 1)[:, None])
        done += len(chunk)
    target.flush()
    np.save(folder / SCALES, scales, allow_pickle=False)


def _chunks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for first in range(0, len(rows), CHUNK_ROWS):
        yield rows[first : first + CHUNK_ROWS]
