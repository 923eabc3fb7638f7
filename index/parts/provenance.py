"""Provenance of an index's rows: read from disk at its first use, only the needed columns for a filter."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embed.errors import InputError
from index.contracts import NO_ID, IntArray
from index.filter import Where
from index.kept import Kept, kept_rows

FILTERS = 16  # remembered, a bit a row each


@dataclass(frozen=True)
class Stretch:
    """The rows of one segment."""

    modality: str
    first_id: int
    rows: int
    file: Path
    skip: int = 0  # rows of the file before its first, where it is a portion of a segment

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Provenance of its rows, or some columns; of the file only the row groups that hold them."""
        file = pq.ParquetFile(self.file)
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        groups = [
            group
            for group, size in enumerate(sizes)
            if starts[group] < self.skip + self.rows and starts[group] + size > self.skip
        ]
        before = int(starts[groups[0]]) if groups else 0
        return file.read_row_groups(groups, columns=columns).slice(self.skip - before, self.rows)


class Provenance:
    """The provenance of all segments; safe to use from several threads."""

    def __init__(self, stretches: Sequence[Stretch], live: Mapping[str, Sequence[Kept | None]]) -> None:
        """`stretches` are in the order of the manifest's segments; `live`: for each segment the rows not removed."""
        self.stretches, self._live = list(stretches), live
        self._tables: dict[Stretch, pa.Table] = {}
        self._kept: OrderedDict[tuple[str, str], list[Kept | None]] = OrderedDict()
        self._lock = threading.Lock()
        self._places: _Places | None = None

    def rows(self, ids: IntArray, url: str) -> pa.Table:
        """Provenance of the ids, in their order.  Raises InputError for an id without a row."""
        firsts = np.array([stretch.first_id for stretch in self.stretches] or [0])
        place = np.searchsorted(np.sort(firsts), ids, "right") - 1
        order = np.argsort(firsts)
        parts, where = [], []
        for number, at in enumerate(order):
            here = np.flatnonzero(place == number)
            parts.append(self._taken(self.stretches[at] if self.stretches else None, ids[here], url))
            where.append(here)
        self._refuse(ids[place < 0], url)
        back = np.argsort(np.concatenate(where), kind="stable")
        return pa.concat_tables(parts).take(_places(back)).combine_chunks()

    def ids(self, segment_ids: Sequence[bytes]) -> IntArray:
        """The ids of rows by their `segment_id` of 16 bytes; NO_ID where no row that is not removed has it.

        The first call reads the column `segment_id`, and keeps 16 bytes a row.
        """
        with self._lock:
            if self._places is None:
                self._places = _Places(self.stretches)
            places = self._places
        return np.array([self._live_id(places, one) for one in segment_ids], np.int64)

    def _live_id(self, places: "_Places", segment_id: bytes) -> int:
        for found in places.like(segment_id):
            stretch = next(one for one in self.stretches if one.first_id <= found < one.first_id + one.rows)
            inside = int(found) - stretch.first_id
            if self._table(stretch)["segment_id"][inside].as_py() == segment_id and self._is_live(stretch, inside):
                return int(found)
        return NO_ID

    def _is_live(self, stretch: Stretch, inside: int) -> bool:
        number = [one for one in self.stretches if one.modality == stretch.modality].index(stretch)
        kept = self._live[stretch.modality][number]
        return kept is None or kept.has(inside)

    def kept(self, modality: str, where: Where | None = None) -> Sequence[Kept | None]:
        """For each segment of the modality the rows that the filter keeps and that are not removed; None: all.

        The same objects for the same filter, as long as it is one of the last FILTERS.
        """
        if where is None:
            return self._live[modality]
        with self._lock:
            key = modality, where.text
            if key not in self._kept:
                self._kept[key] = self._matching(modality, where)
            self._kept.move_to_end(key)
            while len(self._kept) > FILTERS:
                self._kept.popitem(last=False)
            return self._kept[key]

    def values(self, column: str, modality: str, where: Where | None = None) -> set[str]:
        """The values of a column of text in the rows that `kept` names; no nulls."""
        found: set[str] = set()
        stretches = [stretch for stretch in self.stretches if stretch.modality == modality]
        for stretch, kept in zip(stretches, self.kept(modality, where), strict=True):
            some = stretch.read([column])[column]
            some = some if kept is None else some.filter(pa.array(kept.mask()))
            found.update(one for one in some.unique().to_pylist() if one is not None)
        return found

    def _matching(self, modality: str, where: Where) -> list[Kept | None]:
        stretches = [stretch for stretch in self.stretches if stretch.modality == modality]
        masks = (where.mask(stretch.read(list(where.columns))) for stretch in stretches)
        pairs = zip(masks, self._live[modality], strict=True)
        return kept_rows([mask if live is None else mask & live.mask() for mask, live in pairs])

    def _taken(self, stretch: Stretch | None, ids: IntArray, url: str) -> pa.Table:
        if stretch is None:
            self._refuse(ids, url)
            return pa.table({})
        inside = ids - stretch.first_id
        self._refuse(ids[inside >= stretch.rows], url)
        return self._table(stretch).take(_places(inside))

    def _refuse(self, unknown: IntArray, url: str) -> None:
        if len(unknown):
            raise InputError(f"{url}: no row {unknown[0]} in this version; use ids of hits of this version")

    def _table(self, stretch: Stretch) -> pa.Table:
        with self._lock:
            if stretch not in self._tables:
                self._tables[stretch] = stretch.read()
            return self._tables[stretch]


class _Places:
    """Ids of rows, by the first half of their `segment_id`."""

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        halves, ids = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for stretch in stretches:
            column = stretch.read(["segment_id"])["segment_id"].combine_chunks()
            values = np.frombuffer(column.buffers()[1], np.uint64).reshape(-1, 2)
            halves.append(values[column.offset : column.offset + len(column), 0])
            ids.append(np.arange(stretch.first_id, stretch.first_id + stretch.rows, dtype=np.int64))
        every, identities = np.concatenate(halves), np.concatenate(ids)
        order = np.argsort(every, kind="stable")
        self._halves, self._ids = every[order], identities[order]

    def like(self, segment_id: bytes) -> IntArray:
        """Ids of the rows that have the first half of it; nearly always one or none."""
        half = np.frombuffer(segment_id[:8], np.uint64)[0]
        low, high = np.searchsorted(self._halves, half, "left"), np.searchsorted(self._halves, half, "right")
        return self._ids[low:high]


def _places(places: IntArray) -> pa.Array:
    """Like `pa.array`, but without its import of pandas."""
    return pa.Array.from_buffers(pa.int64(), len(places), [None, pa.py_buffer(np.ascontiguousarray(places, np.int64))])
