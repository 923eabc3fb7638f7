"""Reader of MPEG audio (mp3, mp2), frame by frame: lost spans are known, and a seek reads nothing before its target.

ffmpeg decodes; frames and their times are found here, since ffmpeg's own reader finds hour 35 by reading all hours
before it, and its timestamps leave out damaged frames.

- constant bitrate: the offset gives the time; a unit reads only its own span.
- variable bitrate: the frames are counted once per process and file, by reading it through.
- several files in one: tags between are passed over; where rate or layer changes, the file is a chain of streams.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import av

from embed.audio.chain import Chain
from embed.audio.ffmpeg.frames import Run
from embed.audio.mp3_clock import ByteClock, CountedClock, NotConstantError, counted
from embed.audio.mp3_frames import Frame, Header, Tag, ranges, tag_bytes, tag_in, walk
from embed.audio.stream import Block, Recent, Stream, Watched, check_claims, kept, key_of, lost_blocks
from embed.encoder import FloatArray
from embed.errors import UnsupportedFormat

_DECODERS = {1: "mp1float", 2: "mp2float", 3: "mp3float"}
_PRE_ROLL = 24  # frames: at 8 kbit/s, more than the 511 earlier bytes that a frame may use
_SMALL_BYTES = 1 << 20  # a file of one read is counted, at any bitrate
_COMPARED = 200  # frames whose bitrates are compared at the beginning
_TAIL_BYTES = 1 << 15
_LEAST_BYTES, _MOST_BYTES = 24, 1800  # of a frame
_LEAST_CHANGE_BYTES = 1 << 12  # behind the frames that a tag counts; more may be another recording
_SMALL_TAGS_BYTES = 1 << 16  # what may follow the last frame

_counts: Recent[CountedClock] = Recent()
_ranges: Recent[list[tuple[int, int]]] = Recent()


def by_frames(file: Watched, url: str) -> "Mp3Stream | Chain":
    """Raises UnsupportedFormat where there are no frames of a supported bitrate ("free" ones are not supported)."""
    whole = Mp3Stream(file, url)
    found = _ranges.of(key_of(file, url), lambda: [] if whole.is_uniform() else ranges(file, _after_tags(file)))
    if len(found) < 2:
        return whole
    return Chain([Mp3Stream(file.part(*bounds), url, place) for place, bounds in enumerate(found)])


class Mp3Stream(Stream):
    """`embed.audio.stream.Stream` of MPEG audio of one kind."""

    def __init__(self, file: Watched, url: str, place: int | None = None) -> None:
        """`place` is that of a part of a chain; an encoder's tag inside a file is a frame of silence, as in players."""
        self._file, self._url = file, url
        head = next(walk(file, _after_tags(file)), None)
        if head is None:
            raise UnsupportedFormat(f"{url}: no mp3 frames found; the file is not mp3 or is damaged")
        self._header: Header = head.header
        self.rate, self.channels = head.header.rate, head.header.channels
        check_claims(url, self.rate, self.channels)
        tag = None if place else tag_in(head.data, head.header)
        self._tagged = tag is not None
        self._tag = tag or Tag(constant=True, frames=None)
        self._bytes = file.size - head.offset
        longer = self._bytes > _stated_bytes(self._tag, head.header) + _SMALL_TAGS_BYTES
        if longer or place is not None:  # the tag is that of the first of several files
            self._tag = replace(self._tag, constant=False, frames=None)
        self._first = head.offset + len(head.data) * self._tagged

    @property
    def duration_s(self) -> float | None:
        """Duration of the frames that the header states, else of those in the file."""
        frames = self._stated() or self._count
        padding = self._tag.padding if frames == self._tag.frames else 0
        return max(frames * self._header.samples - self._tag.delay - padding, 0) / self.rate or None

    def is_uniform(self) -> bool:
        """Whether all frames are of one kind, as far as some places of a large file show."""
        size = self._file.size
        if self._tag.size is not None and 0 <= self._bytes - self._tag.size <= _LEAST_CHANGE_BYTES:
            return True
        if size <= _SMALL_BYTES:
            return False  # unknown: reading all of it costs little
        places = [*(size * share // 4 for share in (1, 2, 3)), size - _TAIL_BYTES]
        heads = (next(walk(self._file.part(at, min(at + _TAIL_BYTES, size)), 0), None) for at in places)
        return all(frame.header.kind == self._header.kind for frame in heads if frame)

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
        for place, samples in self._decoded(first):
            start = place - self._tag.delay
            yield from lost_blocks(first, at, start, self.rate)
            samples = samples[: max(end - start, 0)] if end is not None else samples
            yield from kept(first, start, Block(samples))
            at = max(at, start + len(samples))

    def _decoded(self, first: int) -> Iterator[tuple[int, FloatArray]]:
        """Places of frames and their samples, from a little before sample `first`; those that fail are left out."""
        codec = av.CodecContext.create(_DECODERS[self._header.layer], "r")
        run, end = Run(self.rate, self.rate), 0
        try:
            for number, frame in self._numbered((first + self._tag.delay) // self._header.samples - _PRE_ROLL):
                place = number * self._header.samples
                if place != end:
                    yield from run.taken()
                for part in _parts(codec, frame):
                    if complete := run.add(place, part):
                        yield from complete
                    end = place + part.samples
        except NotConstantError:
            yield from run.taken()
            raise
        yield from run.taken()

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
        """Frames by the tag; 0 where it has none, or the file's size contradicts it; most of a file may be missing."""
        frames, size = self._tag.frames or 0, self._file.size
        return frames if size <= frames * _MOST_BYTES + _SMALL_BYTES and frames * _LEAST_BYTES <= 4 * size else 0

    @cached_property
    def _clock(self) -> ByteClock | CountedClock:
        return self._byte_clock() or self._counted_clock()

    def _byte_clock(self) -> ByteClock | None:
        """None unless the bitrate is constant, as far as the first frames and a few others show."""
        size = self._file.size
        if size <= _SMALL_BYTES or not self._tag.constant:
            return None
        seen = [frame.header for _, frame in zip(range(_COMPARED), self._walk(self._first), strict=False)]
        for share in () if self._tagged else (1, 2, 3):
            seen += [frame.header for _, frame in zip(range(2), self._walk(size * share // 4), strict=False)]
        if len({header.bitrate for header in seen}) != 1:
            return None
        whole = self._header.samples / 8 * seen[0].bitrate * 1000 / self.rate
        least = min(header.length for header in seen)
        padded = any(header.length > least for header in seen)
        return ByteClock(self._first, whole if padded else least)

    def _counted_clock(self) -> CountedClock:
        key = key_of(self._file, self._url, self._first)
        kind, stated = self._header.kind, self._stated() or None
        return _counts.of(key, lambda: counted(self._file, self._first, kind, stated))

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


def _parts(codec: Any, frame: Frame) -> list[Any]:
    try:
        found: list[Any] = codec.decode(av.Packet(frame.data))
        return found
    except av.FFmpegError:
        return []


def _stated_bytes(tag: Tag, header: Header) -> float:
    """Bytes of the frames that the tag counts; infinite where it does not say."""
    if tag.size:
        return tag.size
    return tag.frames * (header.length + 1) if tag.frames and tag.constant else float("inf")


def _after_tags(file: Watched) -> int:
    """First byte that can be sound: after ID3v2 tags, unless their size is wrong."""
    offset = 0
    while (head := file.read_at(offset, 10))[:3] == b"ID3" and 0 < (size := tag_bytes(head)) < file.size - offset:
        offset += size
    return offset
