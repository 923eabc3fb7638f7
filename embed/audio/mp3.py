"""MPEG audio (mp3, mp2) read frame by frame: what is lost is known, and no seek reads what lies before it.

ffmpeg decodes; finding frames and telling the time is done here, since ffmpeg's own reader finds hour 35 by reading
all hours before it, and its clock leaves out what damage took.

- constant bitrate: the offset is the clock; a unit reads its own stretch alone.
- variable bitrate: the frames are counted once per process and file, by reading it through.
"""

from collections.abc import Iterator
from functools import cached_property

import av

from embed.audio.mp3_frames import ByteClock, CountedClock, Frame, Header, NotConstantError, Tag, counted, tag_in, walk
from embed.audio.stream import Block, Watched, check_claims, kept, lost_blocks, mono
from embed.encoder import FloatArray
from embed.errors import UnsupportedFormat

_DECODERS = {1: "mp1float", 2: "mp2float", 3: "mp3float"}
_PRE_ROLL = 24  # frames: more than the 511 bytes of the past that a frame may use take at 8 kbit/s
_SMALL_BYTES = 1 << 20  # what one read fetches anyway is counted, whatever its bitrate
_LOOKED_AT = 200  # frames whose bitrates are compared at the beginning
_TAIL_BYTES = 1 << 15
_LEAST_BYTES, _MOST_BYTES = 24, 1800  # of a frame
_KEPT = 8

_counts: dict[tuple[str, int, bytes], CountedClock] = {}  # of files lately counted in this process


class Mp3Stream:
    """`embed.audio.stream.Stream` of MPEG audio."""

    def __init__(self, file: Watched, url: str) -> None:
        self._file, self._url = file, url
        head = next(walk(file, _behind_tags(file)), None)
        if head is None:
            raise UnsupportedFormat(f"{url}: no frames of mp3 are in it, or the file is damaged")
        self._header: Header = head.header
        self.rate, self.channels = head.header.rate, head.header.channels
        check_claims(url, self.rate, self.channels)
        tag = tag_in(head.data, head.header)
        self._tagged = tag is not None
        self._tag = tag or Tag(constant=True, frames=None)
        self._first = head.offset + len(head.data) * self._tagged

    @property
    def duration_s(self) -> float | None:
        """Of the frames that the header states, else of those that there are."""
        frames = self._stated() or self._count
        padding = self._tag.padding if frames == self._tag.frames else 0
        return max(frames * self._header.samples - self._tag.delay - padding, 0) / self.rate or None

    def blocks(self, first: int) -> Iterator[Block]:
        at = first
        while True:
            try:
                for block in self._blocks(at):
                    at += len(block.samples)
                    yield block
                return
            except NotConstantError:
                del self._count
                self._clock = self._counted_clock()

    def _blocks(self, first: int) -> Iterator[Block]:
        at, end = first, self._end()
        for number, samples in self._decoded(first):
            start = number * self._header.samples - self._tag.delay
            yield from lost_blocks(first, at, start, self.rate)
            samples = samples[: max(end - start, 0)] if end is not None else samples
            yield from kept(first, start, Block(samples))
            at = max(at, start + len(samples))

    def _decoded(self, first: int) -> Iterator[tuple[int, FloatArray]]:
        """Numbers of frames and their samples, from a little before sample `first`; those that fail are left out."""
        codec = av.CodecContext.create(_DECODERS[self._header.layer], "r")
        for number, frame in self._numbered((first + self._tag.delay) // self._header.samples - _PRE_ROLL):
            try:
                for part in codec.decode(av.Packet(frame.data)):
                    yield number, mono(part.to_ndarray())
            except av.FFmpegError:
                continue

    def _numbered(self, number: int) -> Iterator[tuple[int, Frame]]:
        if number <= 0:
            offset, searched = self._first, True
        else:
            offset, searched = self._clock.offset(number), isinstance(self._clock, ByteClock)
        before: int | None = None
        for frame in walk(self._file, offset, self._header.kind, searched):
            before = self._clock.number(frame, before)
            yield before, frame

    def _end(self) -> int | None:
        """The sample that ends the last frame's padding; None where frames are missing, or more than stated."""
        if self._count != self._tag.frames:
            return None
        return self._count * self._header.samples - self._tag.delay - self._tag.padding

    def _stated(self) -> int:
        """0 where the tag says nothing, or what the file's size belies; it may have lost its greater part."""
        frames, size = self._tag.frames or 0, self._file.size
        return frames if size <= frames * _MOST_BYTES + _SMALL_BYTES and frames * _LEAST_BYTES <= 4 * size else 0

    @cached_property
    def _clock(self) -> ByteClock | CountedClock:
        return self._byte_clock() or self._counted_clock()

    def _byte_clock(self) -> ByteClock | None:
        """None unless the bitrate is constant, as far as a few looks tell."""
        size = self._file.size
        if size <= _SMALL_BYTES or not self._tag.constant:
            return None
        seen = [frame.header for _, frame in zip(range(_LOOKED_AT), self._walk(self._first), strict=False)]
        for share in () if self._tagged else (1, 2, 3):
            seen += [frame.header for _, frame in zip(range(2), self._walk(size * share // 4), strict=False)]
        if len({header.bitrate for header in seen}) != 1:
            return None
        whole = self._header.samples / 8 * seen[0].bitrate * 1000 / self.rate
        least = min(header.length for header in seen)
        padded = any(header.length > least for header in seen)
        return ByteClock(self._first, whole if padded else least)

    def _counted_clock(self) -> CountedClock:
        key = (self._url, self._file.size, self._file.read_at(0, 4096))
        if key not in _counts:
            while len(_counts) >= _KEPT:
                _counts.pop(next(iter(_counts)), None)
            _counts[key] = counted(self._file, self._first, self._header.kind, self._stated() or None)
        return _counts[key]

    @cached_property
    def _count(self) -> int:
        if isinstance(self._clock, CountedClock):
            return self._clock.count
        for tail in (_TAIL_BYTES, _SMALL_BYTES):
            number: int | None = None
            for frame in self._walk(max(self._file.size - tail, self._first)):
                number = self._clock.number(frame, None)
            if number is not None:
                return number + 1
        return int((self._file.size - self._first) / self._clock.length)

    def _walk(self, offset: int) -> Iterator[Frame]:
        return walk(self._file, offset, self._header.kind)


def _behind_tags(file: Watched) -> int:
    """Where the sound begins at the earliest: behind ID3v2 tags, unless they lie about their size."""
    offset = 0
    while (head := file.read_at(offset, 10))[:3] == b"ID3" and len(head) == 10:
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        behind = offset + 10 + size + 10 * bool(head[5] & 0x10)
        if behind >= file.size:
            break
        offset = behind
    return offset
