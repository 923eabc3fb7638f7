"""Hits of landmarks in a table of landmarks: a loop over single rows, compiled by numba on first use."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from embed.fingerprints.landmarks import CELLS, ERROR, LEAST, SIZE, Places, cells
from embed.fingerprints.peaks import Ints

ROOM = 1 << 20  # hits of one call


class Table:
    """Landmarks by cell."""

    def __init__(self, marks: Ints) -> None:
        found = cells(marks)
        self.order = np.argsort(found, kind="stable")
        self._marks = np.ascontiguousarray(marks[self.order])
        self._starts = np.zeros(int(np.prod(CELLS)) + 1, np.int32)
        _count(found, self._starts)

    def hits(self, asked: Ints) -> tuple[Places, Places]:
        """Places of like landmarks: in `asked`, and in the landmarks that the table was made of."""
        parts = [np.zeros((0, 2), np.int64)]
        begin, room = 0, ROOM
        order = np.argsort(cells(asked), kind="stable")  # neighbours ask for the same memory
        asked = np.ascontiguousarray(asked[order])
        while begin < len(asked):
            out = np.empty((room, 2), np.int64)
            end, num = _hits(asked, begin, self._marks, self._starts, LEAST, SIZE, CELLS, ERROR, out)
            parts.append(out[:num].copy())
            room = 2 * room if end == begin else ROOM  # one landmark alone has more
            begin = end
        mine, here = np.concatenate(parts).T
        return order[mine], self.order[here]


def _loop(
    asked: NDArray[Any],
    begin: int,
    marks: NDArray[Any],
    starts: NDArray[Any],
    least: NDArray[Any],
    size: NDArray[Any],
    num: NDArray[Any],
    error: NDArray[Any],
    out: NDArray[Any],
) -> tuple[int, int]:
    """Write hits of the landmarks from `begin`; returns the first one that is not finished, and the number of hits."""
    low, high = np.empty(5, np.int64), np.empty(5, np.int64)
    written = 0
    for i in range(begin, asked.shape[0]):
        before = written
        pitch, rise_1, rise_2, wait_1, wait_2 = asked[i, 1], asked[i, 2], asked[i, 3], asked[i, 4], asked[i, 5]
        for v in range(5):
            value = asked[i, v + 1] - least[v]
            low[v] = max(value - error[v], 0) // size[v]
            high[v] = min((value + error[v]) // size[v], num[v] - 1)
        for a in range(low[0], high[0] + 1):
            for b in range(low[1], high[1] + 1):
                for c in range(low[2], high[2] + 1):
                    for d in range(low[3], high[3] + 1):
                        row = ((a * num[1] + b) * num[2] + c) * num[3] + d
                        for j in range(starts[row * num[4] + low[4]], starts[row * num[4] + high[4] + 1]):
                            if (
                                abs(rise_1 - marks[j, 2]) <= error[1]
                                and abs(rise_2 - marks[j, 3]) <= error[2]
                                and abs(pitch - marks[j, 1]) <= error[0]
                                and abs(wait_1 - marks[j, 4]) <= error[3]
                                and abs(wait_2 - marks[j, 5]) <= error[4]
                            ):
                                if written == out.shape[0]:
                                    return i, before
                                out[written, 0], out[written, 1] = i, j
                                written += 1
    return asked.shape[0], written


def _count_loop(cells: NDArray[Any], starts: NDArray[Any]) -> None:
    """Write where each cell begins in the order of cells, and where the last one ends."""
    for i in range(cells.shape[0]):
        starts[cells[i] + 1] += 1
    for j in range(1, starts.shape[0]):
        starts[j] += starts[j - 1]


_count = njit(cache=True, nogil=True)(_count_loop)
_hits = njit(cache=True, nogil=True)(_loop)
