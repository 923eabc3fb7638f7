"""Portion of a segment: the rows of some of its lists, opened without reading the other rows.

A shard of an index, one of n, has about one row in n of each segment: whole lists, so that the shards together read
the lists that one machine would read.  Of a segment without lists it has a stretch of rows.  Positions count from the
portion's first row.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.contracts import IntArray
from index.faiss_library import library
from index.rungs.lists import BLOCK

# faiss writes what it knows of an index, then these letters, four numbers, and each list: its ids, then its codes, each
# after the number of them.
LISTS_BEGIN, LISTS_HEADER, NUMBER = b"ilbl", struct.Struct("<4Q"), struct.Struct("<Q")
ID_BYTES = 8


@dataclass(frozen=True)
class Portion:
    """Shard `number` of `count`, from 0."""

    number: int
    count: int

    def of_rows(self, rows: int) -> tuple[int, int]:
        """First row and end of a segment without lists."""
        return self.number * rows // self.count, (self.number + 1) * rows // self.count

    def of_lists(self, sizes: IntArray) -> tuple[int, int]:
        """First list and end, of lists with these numbers of rows: whole lists, about one row in `count`."""
        starts = np.concatenate([[0], np.cumsum(sizes)])
        shares = np.array([self.number, self.number + 1]) / self.count
        first, end = np.abs(starts[:, None] - shares * starts[-1]).argmin(axis=0).tolist()
        return first if self.number else 0, end if self.number + 1 < self.count else len(sizes)


@dataclass(frozen=True)
class PortionCodes:
    """Codes of a portion, as a faiss index with all lists, of which the others are empty."""

    codes: Any
    first: int  # row of the segment
    end: int
    sizes: IntArray  # [L], rows of each list of the whole segment


def read_portion(path: Path, portion: Portion) -> PortionCodes:
    """The codes of a portion, of faiss' file of a segment.  Raises ValueError or RuntimeError for another file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        begin, count = _lists_begin(data)
        places, sizes = _lists(data, begin + LISTS_HEADER.size, count)
        first_list, end_list = portion.of_lists(sizes)
        first, end = int(sizes[:first_list].sum()), int(sizes[:end_list].sum())
        pieces, row = [data[: begin + LISTS_HEADER.size]], first
        for number in range(count):
            if not first_list <= number < end_list:
                pieces.append(2 * NUMBER.pack(0))
                continue
            ids, codes = places[number]
            size = int(sizes[number])
            found = np.frombuffer(data[ids + NUMBER.size : codes], np.int64)
            if (found != np.arange(row, row + size)).any():
                raise ValueError("its codes are not in the order of its rows")
            pieces += [NUMBER.pack(size), np.arange(row - first, row - first + size, dtype=np.int64).tobytes()]
            pieces.append(data[codes : codes + NUMBER.size + _number(data, codes)])
            row += size
    made = library().deserialize_index(np.frombuffer(b"".join(pieces), np.uint8))
    made.ntotal = end - first
    return PortionCodes(made, first, end, sizes)


def _lists_begin(data: mmap.mmap) -> tuple[int, int]:
    """Where the header of the lists is, and their number."""
    at = data.find(LISTS_BEGIN)
    while at >= 0:
        begin = at + len(LISTS_BEGIN)
        count, _, rows, _ = LISTS_HEADER.unpack(data[begin : begin + LISTS_HEADER.size])
        if rows == BLOCK:
            return begin, count
        at = data.find(LISTS_BEGIN, begin)  # the letters were numbers of the coder
    raise ValueError(f"its codes are not in blocks of {BLOCK} rows")


def _lists(data: mmap.mmap, at: int, count: int) -> tuple[list[tuple[int, int]], IntArray]:
    """Where the ids and the codes of each list are, and its number of rows."""
    places, sizes = [], np.zeros(count, np.int64)
    for number in range(count):
        sizes[number] = _number(data, at)
        codes = at + NUMBER.size + ID_BYTES * int(sizes[number])
        places.append((at, codes))
        at = codes + NUMBER.size + _number(data, codes)
    if at != len(data):
        raise ValueError("its lists do not end where the file ends")
    return places, sizes


def _number(data: mmap.mmap, at: int) -> int:
    try:
        return int(NUMBER.unpack(data[at : at + NUMBER.size])[0])
    except struct.error:
        raise ValueError("its lists are cut off") from None
