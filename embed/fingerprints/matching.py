"""Matching of fingerprints: the windows of one recording that repeat a window of an earlier one.

    landmarks of a unit -> hits in a Reference -> runs of hits in one line -> windows, each verified by all its peaks

A hit is a landmark that both have.  Hits by chance are many, but not three within two seconds with one distance in
time.  Such a run is verified: of all peaks of the window, enough must be where the other recording has peaks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from embed.fingerprints.hits import Table
from embed.fingerprints.landmarks import ERROR, FRAME, PITCH, Places, landmarks, rarest
from embed.fingerprints.peaks import OCTAVE, Ints, Peaks

WINDOW, HOP = 126, 63  # frames: two seconds, one second
RUN = 3  # hits
SLACK = 16  # frames by which the distance in time may differ within a run
SHIFTS = 8  # steps of pitch that are one shift
LEAST_PEAKS, LEAST_SHARE = 12, 0.16  # of a window's peaks
LEAST_PITCHES, LEAST_TIMES = 5, 5  # different ones among them: a steady tone repeats nothing
APART = 2 * WINDOW  # frames, within one recording
PITCH_ERROR = int(ERROR[1])


@dataclass(frozen=True)
class Window:
    """Two seconds of a unit that repeat an earlier recording."""

    number: int  # it begins at frame HOP * number
    unit: int  # of the reference
    frame: float  # of the reference, where the window begins
    speed: float  # seconds of the reference in a second of the unit
    score: int  # peaks that both have
    share: float  # of the window's peaks
    first: int  # frames of the first and the last of them, a few left out
    last: int


@dataclass(frozen=True)
class Printed:
    """The fingerprint of a unit: `recording` is equal for units of one recording, whose frames count from its start."""

    recording: bytes
    peaks: Peaks
    repeated: tuple[tuple[int, int], ...] = ()  # spans of frames that repeat something earlier: no reference

    @cached_property
    def lookup(self) -> Places:
        """Keys of all peaks, ascending."""
        return _key(self.peaks.frame, self.peaks.pitch)


class Reference:
    """Landmarks of some units, by cell."""

    def __init__(self, units: Sequence[Printed]) -> None:
        self.units = units
        parts = [rarest(landmarks(unit.peaks)) for unit in units]
        self.unit = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        marks = np.concatenate(parts)
        self.frame, self.pitch = marks[:, FRAME].astype(np.int64), marks[:, PITCH]
        self.table = Table(marks)
        self.first = np.ones(len(marks), bool)  # whether no earlier unit has it
        for place, one in enumerate(units):
            self.leave_out(place, one.repeated)

    def leave_out(self, unit: int, repeated: Sequence[tuple[int, int]]) -> None:
        """Landmarks of these spans of frames, both ends included, repeat something: they are no reference."""
        for first, last in repeated:
            self.first &= (self.unit != unit) | (self.frame < first) | (self.frame > last)


def windows(unit: Printed, reference: Reference, before: int | None = None) -> list[Window]:
    """The windows of a unit that repeat the reference, the best of each; with `before`, only its units before this.

    The unit itself may be number `before` of the reference: then what it repeats of its own earlier time.
    """
    asked = landmarks(unit.peaks)
    mine, here = reference.table.hits(asked)
    frame, pitch = asked[mine, FRAME].astype(np.int64), asked[mine, PITCH]
    kept = _allowed(unit, reference, before, frame, here)
    frame, pitch, here = frame[kept], pitch[kept], here[kept]
    best: dict[int, Window] = {}
    for number, other, mid, there, shift in _runs(reference, frame, pitch, here):
        found = _verified(unit, reference.units[other], number, mid, there, shift, other)
        better(best, [found] if found else [], 0)
    return [best[number] for number in sorted(best)]


def better(best: dict[int, Window], found: Iterable[Window], first: int) -> None:
    """Keep the best window of each number; `first` is added to the numbers of the found ones' units."""
    for one in found:
        window = replace(one, unit=first + one.unit)
        if window.number not in best or _rank(window) > _rank(best[window.number]):
            best[window.number] = window


def _allowed(unit: Printed, reference: Reference, before: int | None, frame: Places, here: Places) -> NDArray[np.bool_]:
    """Hits in what was broadcast first, in earlier units; of the same recording, only in earlier time."""
    other = reference.unit[here]
    same = np.array([one.recording == unit.recording for one in reference.units], bool)[other]
    kept: NDArray[np.bool_] = reference.first[here] & (~same | (reference.frame[here] < frame - APART))
    return kept if before is None else kept & (other <= before)


def _rank(window: Window) -> tuple[int, int, float]:
    """The most peaks in common; of equals the earliest."""
    return window.score, -window.unit, -window.frame


def _runs(reference: Reference, frame: Places, pitch: Ints, here: Places) -> list[tuple[int, int, int, int, int]]:
    """Windows with RUN hits in one line: number of the window, unit, a frame, that of the reference, shift of pitch."""
    there, unit, shift = reference.frame[here], reference.unit[here], pitch - reference.pitch[here]
    found: dict[tuple[int, ...], tuple[int, int, int, int, int]] = {}
    for phase in (0, SLACK // 2):
        key = unit << 44 | (there - frame + (1 << 26) + phase) // SLACK
        order = np.lexsort((frame, key))
        key, at = key[order], frame[order]
        run = np.flatnonzero((key[RUN - 1 :] == key[: 1 - RUN]) & (at[RUN - 1 :] - at[: 1 - RUN] < WINDOW))
        trio = order[run[:, None] + np.arange(RUN)]
        alike = np.ptp(shift[trio], axis=1) <= 2 * PITCH_ERROR
        # Three triples of one peak are one hit.
        several = np.ptp(frame[trio], axis=1) > 0
        good = alike & several
        trio, line = trio[good], key[run][good]
        middle = trio[:, RUN // 2]
        # A repeat has hundreds of runs; one for each second, place and shift of pitch is enough.
        second, place_there = frame[middle] // HOP, (there - frame)[middle] // (SLACK // 2)
        kind = np.stack([line, second, place_there, shift[middle] // SHIFTS], axis=1)
        _, first = np.unique(kind, axis=0, return_index=True)
        for one in trio[np.sort(first)]:
            at = one[RUN // 2]
            mid, to, rise = int(frame[at]), int(there[at]), int(np.median(shift[one]))
            for number in (mid // HOP - 1, mid // HOP):  # both windows have the middle
                place = number, int(unit[at]), (to - mid) // (SLACK // 2), rise // SHIFTS
                found.setdefault(place, (number, int(unit[at]), mid, to, rise))
    return list(found.values())


def _verified(
    unit: Printed, other: Printed, number: int, mid: int, there: int, shift: int, place: int
) -> Window | None:
    """The window, where enough of its peaks are those of the other at this place and speed."""
    peaks = unit.peaks.between(number * HOP, number * HOP + WINDOW)
    speed = 2.0 ** (shift / OCTAVE)
    frame = np.round(there + (peaks.frame - mid) * speed).astype(np.int64)
    common = np.zeros(len(peaks), bool)
    for step in (0, -1, 1):
        low = np.searchsorted(other.lookup, _key(frame + step, peaks.pitch - shift - PITCH_ERROR))
        high = np.searchsorted(other.lookup, _key(frame + step, peaks.pitch - shift + PITCH_ERROR + 1))
        common |= high > low
    score = int(common.sum())
    if score < max(LEAST_PEAKS, LEAST_SHARE * len(peaks)):
        return None
    times, pitches = peaks.frame[common], peaks.pitch[common]
    if len(np.unique(times // 8)) < LEAST_TIMES or len(np.unique(pitches // 64)) < LEAST_PITCHES:
        return None
    chance = score // 12  # peaks at both ends that may be common by chance
    begins = there + (number * HOP - mid) * speed
    return Window(number, place, begins, speed, score, score / len(peaks), int(times[chance]), int(times[-1 - chance]))


def _key(frame: NDArray[np.integer], pitch: Ints) -> Places:
    return frame.astype(np.int64) << 16 | np.clip(pitch, 0, (1 << 16) - 1)
