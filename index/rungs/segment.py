"""Segment: an immutable stretch of rows of one modality; its opened files, and the stages that read them.

Shapes: q queries, L lists, n rows, c candidates, k places, D full width.  Positions count from 0 in each segment.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray
from embed.errors import StorageError
from index.contracts import NO_ID, Hits, IntArray
from index.faiss_library import library
from index.kept import Kept
from index.neighbours import scan, top
from index.parts.artifact import CODES, ROWS, ROWS_8, SCALES, SegmentEntry
from index.rungs.lists import SIZE, list_table
from index.rungs.portion import Portion, read_portion

CODE_BITS = 4
FEW = 4  # queries; up to this many are compared row by row, more by matrix products
# Values of all rows; so few are multiplied in a millisecond, and the compiled loops take more than a second to load.
FEW_VALUES = 1 << 20
# More rows than there are hits, whose scores are computed one by one: a matrix product rounds them by the number of
# rows and of questions, and so would not give the same hits for a shard as for the whole index.
TIES = 8
SMALLEST_SQUARE = np.float32(1e-30)


class Segment:
    """The rows are mapped from disk, the codes are in memory.  Safe to search from several threads."""

    def __init__(
        self,
        modality: str,
        first_id: int,
        rows: NDArray[np.float16],
        codes: Any = None,
        rows_8: NDArray[np.int8] | None = None,
        scales: FloatArray | None = None,
        sizes: IntArray | None = None,
    ) -> None:
        """`codes` is a faiss index over `rows` [n, D], `rows_8` and `scales` are as `index.parts.artifact` says.

        `sizes` [L] are the rows of each list of the whole segment, where these rows are a portion of it.
        """
        self.modality, self.first_id, self.rows = modality, first_id, rows
        self.codes, self._rows_8, self._scales = codes, rows_8, scales
        self._bits = rows.view(np.uint16)
        self.whole_sizes = sizes
        self.list_table = np.zeros((3, 0), np.int64) if codes is None else list_table(codes, len(rows))
        if rows_8 is not None and rows_8.shape != rows.shape:
            raise ValueError(f"8-bit rows of shape {list(rows_8.shape)} for rows of shape {list(rows.shape)}")

    @classmethod
    def load(cls, folder: Path, entry: SegmentEntry, portion: Portion | None = None) -> "Segment":
        """The segment of the files in `folder`, or the portion of it.

        Raises StorageError for files that are not the entry's segment.
        """
        try:
            if portion is not None:
                return cls._of_portion(folder, entry, portion)
            rows = _array(folder / ROWS, np.float16, 2)
            if not entry.coded:
                _check_counts(folder, entry, {len(rows)})
                return cls(entry.modality, entry.first_id, rows)
            codes = library().read_index(str(folder / CODES))
            rows_8, scales = _array(folder / ROWS_8, np.int8, 2), _array(folder / SCALES, np.float32, 1)
            _check_counts(folder, entry, {len(rows), len(rows_8), len(scales), int(codes.ntotal)})
            return cls(entry.modality, entry.first_id, rows, codes, rows_8, scales)
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise StorageError(f"{folder}: unreadable segment ({reason}); build the index again") from None

    @classmethod
    def _of_portion(cls, folder: Path, entry: SegmentEntry, portion: Portion) -> "Segment":
        if not entry.coded:
            here = *portion.of_rows(entry.rows), entry.rows
            return cls(entry.modality, entry.first_id + here[0], _array(folder / ROWS, np.float16, 2, here))
        found = read_portion(folder / CODES, portion)
        _check_counts(folder, entry, {int(found.sizes.sum())})
        here = found.first, found.end, entry.rows
        rows, rows_8 = _array(folder / ROWS, np.float16, 2, here), _array(folder / ROWS_8, np.int8, 2, here)
        scales = _array(folder / SCALES, np.float32, 1, here)
        first_id = entry.first_id + found.first
        return cls(entry.modality, first_id, rows, found.codes, rows_8, scales, found.sizes)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def coded(self) -> bool:
        return self.codes is not None

    def list_sizes(self) -> IntArray:
        """Rows in each list [L]."""
        sizes: IntArray = self.list_table[SIZE]
        return sizes

    def lists(self) -> NDArray[np.int32]:
        """The list of each row: int32 [n]."""
        sizes = self.list_sizes()
        return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)

    def addresses(self) -> tuple[int, ...]:
        """Number of rows, id of the first, and the addresses of 8-bit rows, scales and 16-bit rows."""
        assert self._rows_8 is not None
        assert self._scales is not None
        places = (array.ctypes.data for array in (self._rows_8, self._scales, self._bits))
        return len(self), self.first_id, *places

    def scan(self, queries: FloatArray, lists: IntArray, near: FloatArray, count: int, selector: Any) -> IntArray:
        """Positions [q, count] of the best codes in each query's lists; -1 fills.

        queries [q, d] in the coder's order of dims; lists [q, w] padded with -1, near [q, w] cosines to their middles;
        selector is faiss' or None.
        """
        swig = library().swig_ptr
        scores = np.empty((len(queries), count), np.float32)
        found = np.empty((len(queries), count), np.int64)
        parameters = _parameters(lists.shape[1]) if selector is None else _parameters_of(lists.shape[1], selector)
        pointers = [swig(lists), swig(near), swig(scores), swig(found)]
        self.codes.search_preassigned_c(len(queries), swig(queries), count, *pointers, False, parameters)
        return found

    def rank(self, queries: FloatArray, candidates: IntArray, dim: int, count: int) -> IntArray:
        """The `count` best of the candidates [q, c] by 8-bit rows: positions [q, count]."""
        from index.rungs import kernels

        found, scores = _places(len(queries), count)
        kernels.rank(queries, candidates, self._rows_8, self._scales, dim, found, scores)
        return found

    def exact(self, queries: FloatArray, candidates: IntArray, dim: int, count: int) -> Hits:
        """The `count` best of the candidates [q or 1, c] by cosine at `dim`; ids are the index's."""
        from index.rungs import kernels

        found, scores = _places(len(queries), count)
        kernels.exact(queries, candidates, self._bits, dim, self.first_id, found, scores)
        return Hits(found, scores)

    def read_all(self, queries: FloatArray, dim: int, count: int, kept: Kept | None) -> Hits:
        """As `exact`, of every row, or of every row that is `kept`."""
        places = np.arange(len(self)) if kept is None else kept.places
        if len(queries) <= FEW and places.size * dim > FEW_VALUES:
            return self.exact(queries, places[None], dim, count)
        hits = scan(queries, self.rows if kept is None else self.rows[places], count + TIES, dim)
        found = np.where(hits.ids == NO_ID, NO_ID, places[hits.ids] if places.size else NO_ID)
        if self.coded:
            return self.exact(queries, found, dim, count)
        return top(np.where(found == NO_ID, NO_ID, found + self.first_id), self._cosines(queries, found, dim), count)

    def _cosines(self, queries: FloatArray, places: IntArray, dim: int) -> FloatArray:
        """[q, c]: as `exact`, without its compiled loops, in which a place of -1 has any score."""
        rows = self.rows[places, :dim].astype(np.float32)
        dots, squares = np.einsum("qd,qcd->qc", queries[:, :dim], rows), np.einsum("qcd,qcd->qc", rows, rows)
        found: FloatArray = dots / np.sqrt(np.maximum(squares, SMALLEST_SQUARE))
        return found


def _check_counts(folder: Path, entry: SegmentEntry, counts: set[int]) -> None:
    if counts != {entry.rows}:
        found = sorted(counts)
        raise StorageError(f"{folder}: holds {found} rows where the manifest says {entry.rows}; build again")


def _places(q: int, count: int) -> tuple[IntArray, FloatArray]:
    return np.empty((q, count), np.int64), np.empty((q, count), np.float32)


def _array(path: Path, kind: type[np.generic], axes: int, rows: tuple[int, int, int] | None = None) -> NDArray[Any]:
    """The array of a .npy file, mapped; never written to, although numba requires a writable array.

    Of `rows`, first, end and how many there are, only these are mapped.  Raises ValueError for another type, number
    of axes or order of values than the compiled loops read.
    """
    mapped = np.load(path, mmap_mode="c", allow_pickle=False)
    found = np.asarray(mapped)
    if found.dtype != kind or found.ndim != axes or not found.flags.c_contiguous:
        raise ValueError(
            f"{path.name} is {found.dtype} {list(found.shape)}, not {np.dtype(kind)} of {axes} axes by row"
        )
    if rows is None:
        return found
    (first, end, whole), shape = rows, found.shape[1:]
    if not 0 <= first <= end <= whole == len(found):
        raise ValueError(f"{path.name} has {len(found)} rows, not {whole}, of which {first} to {end} are needed")
    if first == end:
        return np.empty((0, *shape), kind)
    begin = mapped.offset + first * found.strides[0]
    return np.asarray(np.memmap(path, kind, "c", begin, (end - first, *shape)))


@lru_cache(maxsize=4_096)
def _parameters(width: int) -> Any:
    """faiss' parameters for this number of lists a query; making them takes longer than reading a list."""
    return library().SearchParametersIVF(nprobe=width)


def _parameters_of(width: int, selector: Any) -> Any:
    return library().SearchParametersIVF(nprobe=width, sel=selector)
