"""Landmarks of a fingerprint: triples of near peaks, which another level, speed or codec changes little.

A landmark is a row [6]: frame and pitch of its first peak, then by how much the second and the third are higher, then
by how many frames they are later.  Intervals of pitch do not depend on the speed.  Like landmarks are in one cell of
the last five values, or in neighbouring ones.
"""

import numpy as np
from numpy.typing import NDArray

from embed.fingerprints.peaks import OCTAVE, Ints, Peaks

FRAME, PITCH = 0, 1  # columns; then two rises and two waits
NEAR, FAR = (4, 28), (28, 92)  # frames from the first peak to the second, and to the third
LEAST_PITCH, MOST_PITCH = 64, OCTAVE  # of a rise or fall: a tone that only lasts is no landmark
PARTNERS = 3, 4  # how many second and third peaks of each first one, in order of time
STORED = 3  # landmarks of each first peak, the rarest

# For the values after the frame: what is subtracted, the size of a cell, the number of cells, the error of a like one.
# 2 % of speed are 29 steps of pitch.
LEAST = np.array([0, -MOST_PITCH, -MOST_PITCH, NEAR[0], FAR[0]], np.int32)
SIZE = np.array([128, 32, 32, 4, 8], np.int32)
CELLS = np.array([32, 64, 64, 6, 8], np.int32)
ERROR = np.array([38, 8, 8, 1, 2], np.int32)

Places = NDArray[np.int64]


def landmarks(peaks: Peaks) -> Ints:
    """Landmarks [n, 6]: each peak, one of its next peaks that are near, and one of the next that are far."""
    near, far = _partners(peaks, NEAR, PARTNERS[0]), _partners(peaks, FAR, PARTNERS[1])
    second, third = np.concatenate([np.stack([a, b]) for a in near.T for b in far.T], axis=1)
    first = np.tile(np.arange(len(peaks)), len(second) // max(len(peaks), 1))
    frame, pitch = peaks.frame, peaks.pitch
    whole = (second >= 0) & (third >= 0) & (np.abs(pitch[second] - pitch[third]) >= LEAST_PITCH)
    one, two, three = first[whole], second[whole], third[whole]
    rises = pitch[two] - pitch[one], pitch[three] - pitch[one]
    waits = frame[two] - frame[one], frame[three] - frame[one]
    return np.stack([frame[one], pitch[one], *rises, *waits], axis=1)


def rarest(marks: Ints) -> Ints:
    """The STORED of each first peak whose intervals of pitch are rarest among all: common ones cause hits by chance."""
    kind = (marks[:, PITCH] // 256 * 64 + marks[:, 2] // 32) * 64 + marks[:, 3] // 32
    _, number, count = np.unique(kind, return_inverse=True, return_counts=True)
    first = marks[:, FRAME].astype(np.int64) << 16 | marks[:, PITCH]
    order = np.lexsort((np.arange(len(marks)), count[number], first))
    sorted_ = first[order]
    return marks[order[_place_in_group(sorted_) < STORED]]


def _place_in_group(keys: Places) -> Places:
    """Of each of the ascending keys, how many equal ones are before it."""
    place = np.arange(len(keys))
    begins = np.concatenate([[True], keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, bool)
    return place - np.maximum.accumulate(np.where(begins, place, 0))


def cells(marks: Ints) -> Ints:
    """The number of each landmark's cell."""
    found = np.zeros(len(marks), np.int32)
    for column, (least, size, num) in enumerate(zip(LEAST, SIZE, CELLS, strict=True), 1):
        found = found * num + np.minimum((marks[:, column] - least) // size, num - 1)
    return found


def _partners(peaks: Peaks, reach: tuple[int, int], most: int) -> Places:
    """Places of the first `most` peaks that follow each within reach, of time and pitch; -1 where there are fewer."""
    frame, pitch = peaks.frame, peaks.pitch
    at = np.searchsorted(frame, frame + reach[0])
    found = np.full((len(peaks), most), -1, np.int64)
    count = np.zeros(len(peaks), np.int64)
    todo = np.arange(len(peaks))
    while len(todo):
        todo = todo[at[todo] < len(peaks)]
        todo = todo[(frame[at[todo]] - frame[todo] < reach[1]) & (count[todo] < most)]
        rise = np.abs(pitch[at[todo]] - pitch[todo])
        fits = todo[(rise >= LEAST_PITCH) & (rise < MOST_PITCH)]
        found[fits, count[fits]] = at[fits]
        count[fits] += 1
        at[todo] += 1
    return found
