"""Headers of flac: streams one after the other in a file, and streams that are longer than their header states.

Frames are numbered.  Those at the end and at a few other places of the file show whether it is one stream of the stated
length; only where it is not, the file is searched for more streams.
"""

import re
from itertools import pairwise
from typing import NamedTuple

from embed.audio.stream import Recent, Watched, key_of

_MARK = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # and the head of the block that is always first
_HEAD_BYTES = 42  # the mark and this block
_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_FRAME_HEAD = 16  # the longest
_WINDOW_BYTES = 1 << 16  # some frames
_CHUNK = 1 << 20
_SIZES = {1: 192, **{n: 576 << n - 2 for n in range(2, 6)}, **{n: 256 << n - 8 for n in range(8, 16)}}
_RATE_BYTES = {12: 1, 13: 2, 14: 2}  # behind the number, for rates that have no code

# Hundredths of a file, whose numbers must rise: those of up to 20 equal streams do not.
_PLACES = (10, 21, 43, 61, 83, 100)
_streams: Recent[list[tuple[int, int]]] = Recent()


class Frame(NamedTuple):
    first: int  # sample
    end: int


class Info(NamedTuple):
    block: int  # samples in a frame where all have the same number
    most_bytes: int  # of a frame; 0 where unknown
    samples: int  # 0 where unknown


def streams(file: Watched, url: str) -> list[tuple[int, int]]:
    """Begin and end of each stream in the file; [] where it is not flac."""
    info = _info(file)
    if info is None:
        return []
    whole = [(0, file.size)]
    return _streams.of(key_of(file, url), lambda: whole if not info.samples or _is_plain(file, info) else _found(file))


def is_longer(file: Watched) -> bool:
    """Whether a single stream goes on beyond the stated length."""
    info = _info(file)
    frames = _frames(file, file.size, info) if info else []
    return bool(info and frames and frames[-1].end > info.samples > 0)


def _is_plain(file: Watched, info: Info) -> bool:
    """Whether it is one stream of the stated length, as far as some places show."""
    frames = [_frames(file, file.size * share // 100, info) for share in _PLACES]
    ends = [some[-1].end for some in frames if some]
    return ends == sorted(ends) and (not frames[-1] or ends[-1] == info.samples)


def _found(file: Watched) -> list[tuple[int, int]]:
    """Begin and end of each stream; reads all of the file."""
    marks, at = list[int](), 0
    while len(data := file.read_at(at, _CHUNK)) >= _HEAD_BYTES:
        marks += [at + mark.start() for mark in _MARK.finditer(data) if mark.start() <= len(data) - _HEAD_BYTES]
        at += len(data) - _HEAD_BYTES + 1
    return list(pairwise([*marks, file.size]))


def _info(file: Watched) -> Info | None:
    data = file.read_at(0, _HEAD_BYTES)
    if not _MARK.match(data) or len(data) < _HEAD_BYTES:
        return None
    block, most_bytes, samples = (int.from_bytes(data[a:b], "big") for a, b in ((10, 12), (15, 18), (21, 26)))
    return Info(block, most_bytes, samples & (1 << 36) - 1)


def _frames(file: Watched, end: int, info: Info) -> list[Frame]:
    """Frames that begin before byte `end`, in a window of a few; each continues another, so none is chance."""
    begin = max(end - min(max(4 * info.most_bytes, _WINDOW_BYTES), _CHUNK), 0)
    data = file.read_at(begin, end - begin)
    heads = (_frame(data[found.start() : found.start() + _FRAME_HEAD], info) for found in _SYNC.finditer(data))
    found = [frame for frame in heads if frame]
    ends = {0, *(frame.end for frame in found)}
    return [frame for frame in found if frame.first in ends]


def _frame(head: bytes, info: Info) -> Frame | None:
    """The frame with this header; None where its checksum is wrong."""
    if len(head) < _FRAME_HEAD or head[2] >> 4 == 0 or head[3] & 1 or head[4] == 0xFF:
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 15
    number, at = _number(head)
    size = _SIZES.get(size_code, 0)
    if size_code in (6, 7):
        size = int.from_bytes(head[at : at + size_code - 5], "big") + 1
        at += size_code - 5
    at += _RATE_BYTES.get(rate_code, 0)
    if _crc8(head[:at]) != head[at]:
        return None
    first = number if head[1] & 1 else number * info.block
    return Frame(first, first + size)


def _number(head: bytes) -> tuple[int, int]:
    """The frame's (or sample's) number, coded as in UTF-8, and the place behind it."""
    ones = next((n for n in range(8) if not head[4] & 0x80 >> n), 8)
    number = head[4] & 0x7F >> ones
    more = max(ones - 1, 0)
    for byte in head[5 : 5 + more]:
        number = number << 6 | byte & 0x3F
    return number, 5 + more


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC[crc ^ byte]
    return crc


def _shifted(value: int) -> int:
    for _ in range(8):
        value = (value << 1 ^ (0x07 if value & 0x80 else 0)) & 0xFF
    return value


_CRC = [_shifted(value) for value in range(256)]
