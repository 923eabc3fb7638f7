"""Clocks of MPEG audio: the numbers of frames.

The number of a frame is its place in time.  In a file of constant bitrate it follows from the offset, so hour 35 is
found without reading the hours before it, and damage moves nothing.  A variable one must be counted from the start,
once; the length of damage is then estimated from its bytes, or from the number of frames that the header states.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Protocol

from embed.audio.mp3_frames import Frame, walk
from embed.audio.stream import Watched

_ANCHOR = 64  # frames from one recorded place to the next
_STEP_TO_BREAK = 1.5  # frames by which a byte clock may be wrong before it is dropped


class Clock(Protocol):
    """Numbers of frames."""

    def offset(self, number: int) -> int:
        """Byte from which to walk to reach frame `number`: that of this frame or of one before it."""

    def number(self, frame: Frame, before: int | None) -> int:
        """Number of a frame; `before` is the number of the frame before it in the walk."""


class NotConstantError(Exception):
    """The bitrate is not constant."""


@dataclass(frozen=True)
class ByteClock:
    """Constant bitrate: `length` bytes a frame on average, which may be a fraction."""

    first: int
    length: float

    def offset(self, number: int) -> int:
        return max(self.first + int((number - 1) * self.length), self.first)

    def number(self, frame: Frame, before: int | None) -> int:
        exact = (frame.offset - self.first) / self.length
        if before is None or frame.gap:
            return max(round(exact), 0 if before is None else before + 1)
        if abs(exact - (before + 1)) > _STEP_TO_BREAK:
            raise NotConstantError
        return before + 1


@dataclass
class CountedClock:
    """Any bitrate: a recorded place every few frames, and the numbers of the frames after damage."""

    numbers: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    jumps: dict[int, int] = field(default_factory=dict)  # number of the frame at this offset
    count: int = 0

    def offset(self, number: int) -> int:
        return self.offsets[max(bisect_right(self.numbers, number) - 1, 0)] if self.offsets else 0

    def number(self, frame: Frame, before: int | None) -> int:
        if frame.offset in self.jumps:
            return self.jumps[frame.offset]
        if before is not None:
            return before + 1
        # A walk begins at a recorded place, or after it where that was a false one.
        return self.numbers[max(bisect_right(self.offsets, frame.offset) - 1, 0)]


def counted(file: Watched, first: int, kind: int, stated: int | None) -> CountedClock:
    """Clock from a walk over the whole file; `stated` is the number of frames in its header."""
    places, gaps = list[tuple[int, int]](), list[tuple[int, int]]()
    number, walked = 0, 0
    for frame in walk(file, first, kind, searched=False):
        if frame.gap:
            gaps.append((frame.offset, frame.gap))
        if number % _ANCHOR == 0 or frame.gap:
            places.append((number, frame.offset))
        number, walked = number + 1, walked + len(frame.data)
    lengths = [size * number / walked for _, size in gaps]
    missing = (stated or 0) - number
    estimated = sum(lengths)
    scale = missing / estimated if estimated and 0.5 < missing / estimated < 2 else 1.0
    scaled = [(offset, lost * scale) for (offset, _), lost in zip(gaps, lengths, strict=True)]
    return _numbered(places, scaled, number)


def _numbered(places: list[tuple[int, int]], gaps: list[tuple[int, float]], count: int) -> CountedClock:
    clock, lost, gap = CountedClock(), 0.0, 0
    for number, offset in places:
        if gap < len(gaps) and gaps[gap][0] == offset:
            lost += gaps[gap][1]
            gap += 1
            clock.jumps[offset] = number + round(lost)
        clock.numbers.append(number + round(lost))
        clock.offsets.append(offset)
    clock.count = count + round(lost)
    return clock
