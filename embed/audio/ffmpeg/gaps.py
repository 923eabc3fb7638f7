"""Gaps between frames of a track: pauses that were never sent, sound that was lost, and links that start again.

A gap is lost sound where a packet near it could not be read or decoded, or where the file has bytes that belong to no
packet, enough of them for half of the missing sound; in formats that have no pauses, wherever sound came before.  Else
it is a pause: the sound began late, its recorder was paused, or a codec sent nothing while nobody spoke (DTX).
"""

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Any

from embed.audio.stream import PRE_ROLL_S

_GAP_S = 0.1  # a longer jump of the timestamps is a gap; a shorter one is rounding
_LONGEST_S = 600  # where no duration is stated, a longer jump is a wrong timestamp
_NEAR_S = 1.0
_KEPT = 1000  # faults
# Types of AMR frames that describe noise, or stand for nothing (3GPP TS 26.101 and 26.201, table 1).
_NO_SPEECH: dict[str, Sequence[int]] = {"amrnb": range(8, 16), "amrwb": (9, 14, 15)}
_HEADER_BYTES = 32  # between two packets at most; more where a page or a cluster begins, which is far less than half
# A gap in their times proves no loss: those of aac are counted.  In formats not listed a pause is sent as silence.
_PAUSED = ("aac", "amr", "asf", "flv", "matroska", "mov", "mxf", "nut", "rm")
_APART = ("mov", "mxf")  # packets lie apart, or in another order: bytes between them mean nothing


class Line:
    """Places of the frames of one track on the line of time, in samples, from `first` on."""

    def __init__(self, first: int, start: int, rate: int) -> None:
        self.at = max(min(start, first), -rate)
        self._rate = rate
        self._shift = 0
        self._behind = False

    def gap(self, start: int, furthest: int | None) -> int:
        """Samples missing before a frame whose timestamp says `start`; timestamps beyond `furthest` are wrong.

        Where timestamps start again, as in a chain, they go on from here; a single early one is wrong.
        """
        ahead = start + self._shift - self.at
        if ahead < -PRE_ROLL_S * self._rate:
            self._shift -= ahead if self._behind else 0
            self._behind = not self._behind
            return 0
        self._behind = False
        most = self._rate * _LONGEST_S if furthest is None else furthest - self.at
        return ahead if _GAP_S * self._rate < ahead <= most else 0


class Faults:
    """Packets that failed and bytes that no packet has, each with its place in seconds."""

    def __init__(self, form: str) -> None:
        self._steady, self._apart = not form.startswith(_PAUSED), form.startswith(_APART)
        self._place, self._end = -1, -1  # in the file, of the packet before
        self._bytes, self._seconds = 0, 0.0  # of sound
        self._faults: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def add(self, at_s: float) -> None:
        """A packet that could not be decoded."""
        self._faults.append((at_s, inf))

    def see(self, packet: Any, at_s: float, sound_s: float | None) -> None:
        """A packet of any track, in the order of reading; `sound_s` is its duration if it is of a chosen track."""
        place, size = packet.pos, packet.size
        if sound_s is not None:
            self._bytes += size
            self._seconds += sound_s
            if packet.is_corrupt:
                self.add(at_s)
        if place is None or self._apart:
            return
        # Packets of one page have the place of the page.
        begin = self._end if place == self._place else place
        if 0 <= self._end < begin - _HEADER_BYTES:
            self._faults.append((at_s, begin - self._end))
        self._place, self._end = place, max(begin + size, self._end)

    def explain(self, from_s: float, until_s: float, begins: bool) -> bool:
        """Whether sound between these places was lost; `begins` where no sound came before."""
        if self._steady and not begins:
            return True
        missing = sum(size for at_s, size in self._faults if from_s - _NEAR_S <= at_s <= until_s + _NEAR_S)
        expected = (until_s - from_s) * self._bytes / self._seconds if self._seconds else 0.0
        return missing > 0 and missing >= expected / 2


def pauses_of(stream: Any) -> Sequence[int]:
    """Types of AMR frames that say that nobody spoke; none for other codecs."""
    return _NO_SPEECH.get(stream.name, ())


def is_pause(packet: Any, pauses: Sequence[int]) -> bool:
    """Whether a packet is of one of these types: ffmpeg's decoders take them for damage."""
    return bool(pauses and packet.size) and bytes(packet)[0] >> 3 & 15 in pauses
