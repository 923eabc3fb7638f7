"""Frames of MPEG audio (mp3, mp2): their headers, their order in the file, and the tags before and between them."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from typing import NamedTuple

from embed.audio.stream import Watched

_CHUNK = 1 << 18
_CHAIN = 4  # frames in a row, too many for chance
_CHAIN_BYTES = 1 << 14  # more than the bytes of so many frames
_SYNC = re.compile(rb"\xff[\xe2-\xff]|ID3[\x02-\x04]|APETAGEX|TAG")
_TAGS = (b"ID3", b"TAG", b"APE")
_TAG_HEAD = 32
_IS_HEADER = 1 << 29  # of an APE tag's flags: its items follow

# Bitrates in kbit/s by index 1 to 14, for (MPEG-1 or not, layer).
_V1_L1 = (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448)
_V1_L2 = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_V1_L3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_V2_L1 = (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_V2_L23 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_BITRATES = {(True, 1): _V1_L1, (True, 2): _V1_L2, (True, 3): _V1_L3, (False, 1): _V2_L1}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


class Header(NamedTuple):
    kind: int  # equal in all frames of one stream: version, layer, rate
    layer: int
    rate: int
    samples: int
    length: int  # bytes, the header included
    bitrate: int  # kbit/s
    channels: int
    mpeg1: bool


def header_at(data: bytes, at: int) -> Header | None:
    """The frame header at `at`; None where there is none, or where the bitrate is "free"."""
    head = data[at : at + 4]
    return _header(head[1], head[2], head[3] >> 6) if len(head) == 4 and head[0] == 0xFF else None


@cache
def _header(second: int, third: int, mode: int) -> Header | None:
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    index, rate_index = third >> 4, third >> 2 & 3
    if second < 0xE0 or version == 1 or layer == 4 or index in (0, 15) or rate_index == 3:
        return None
    mpeg1, rate = version == 3, _RATES[version][rate_index]
    bitrate = _BITRATES.get((mpeg1, layer), _V2_L23)[index - 1]
    samples = 384 if layer == 1 else 576 if layer == 3 and not mpeg1 else 1152
    slot = 4 if layer == 1 else 1
    length = (samples // 8 * bitrate * 1000 // (rate * slot) + (third >> 1 & 1)) * slot
    kind = version << 8 | layer << 4 | rate_index
    return Header(kind, layer, rate, samples, length, bitrate, 1 if mode == 3 else 2, mpeg1)


class Frame(NamedTuple):
    offset: int
    data: bytes
    header: Header
    gap: int  # bytes before it that are neither frames nor tags


def walk(
    file: Watched, offset: int, kind: int | None = None, searched: bool = True, changes: bool = False
) -> Iterator[Frame]:
    """Complete frames of one kind from `offset` on; bytes between them are skipped.

    `searched`: the first one, too, must be one of a chain, since `offset` may be anywhere.
    `changes`: where a chain of another kind begins, its frames follow.
    """
    data, base, at, gap, ended, last = b"", offset, 0, 0, False, b""
    while True:
        if not ended and len(data) - at < _CHAIN_BYTES:
            more = file.read_at(base + len(data), _CHUNK)
            data, base, at, ended = data[at:] + more, base + at, 0, not more
        head = header_at(data, at)
        other = head is not None and kind not in (None, head.kind)
        if head is None or (other and not changes) or ((other or gap or searched) and not _chained(data, at, head)):
            behind = _after_tag(file, base + at, data[at : at + 3], b"" if gap else last)
            if behind is not None:
                base, data, at, last, ended = behind, b"", 0, b"", False
                continue
            found = _SYNC.search(data, at + 1)
            if found is None and ended:
                return
            # The last byte may be the first half of a sync.
            place = found.start() if found else max(at, len(data) - 1)
            gap += place - at
            at = place
        elif at + head.length > len(data):
            return  # cut short by the end of the file
        else:
            last = data[at : at + head.length]
            yield Frame(base + at, last, head, gap)
            kind, gap, searched = head.kind, 0, False
            at += head.length


def ranges(file: Watched, first: int) -> list[tuple[int, int]]:
    """Where in the file each stretch of frames of one kind begins and ends."""
    found = list[tuple[int, int]]()
    kind: int | None = None
    for frame in walk(file, first, changes=True):
        begin = found.pop()[0] if found and frame.header.kind == kind else frame.offset
        found.append((begin, frame.offset + len(frame.data)))
        kind = frame.header.kind
    return found


def _chained(data: bytes, at: int, head: Header) -> bool:
    """Whether more frames of this kind follow, or the end of the file."""
    for number in range(1, _CHAIN):
        at += head.length
        if at >= len(data):
            return at == len(data) or number > 1
        following = header_at(data, at)
        if following is None or following.kind != head.kind:
            return data[at : at + 3] in _TAGS
        head = following
    return True


def _after_tag(file: Watched, offset: int, here: bytes, last: bytes) -> int | None:
    """Where a tag ends that begins at `offset`, or inside the last frame, which is cut short then.

    None where there is none, or its size is wrong.
    """
    begin = offset if here in _TAGS else offset - len(last) + inside if (inside := last.rfind(b"ID3")) > 0 else None
    length = 0 if begin is None else tag_bytes(file.read_at(begin, _TAG_HEAD))
    if begin is None or not offset - begin < length <= file.size - begin:
        return None
    behind = file.read_at(begin + length, _CHAIN_BYTES)
    head = header_at(behind, 0)
    right = not behind or behind[:3] in _TAGS or (head is not None and _chained(behind, 0, head))
    return begin + length if right else None


def tag_bytes(head: bytes) -> int:
    """Bytes of the tag that begins like this (ID3v2, APE with a header, ID3v1); 0 where none does."""
    if head[:3] == b"ID3" and len(head) >= 10:
        size = reduce(lambda size, byte: size << 7 | byte & 0x7F, head[6:10], 0)
        return 10 + size + 10 * bool(head[5] & 0x10)
    if head[:8] == b"APETAGEX" and len(head) >= _TAG_HEAD:
        size, _, flags = struct.unpack_from("<III", head, 12)
        return 32 + (size if flags & _IS_HEADER else 0)
    return 128 if head[:3] == b"TAG" else 0


@dataclass(frozen=True)
class Tag:
    """Facts about the whole file that an encoder wrote into the first frame (Xing, Info, VBRI)."""

    constant: bool
    frames: int | None
    delay: int = 0  # samples that encoder and decoder add at the beginning
    padding: int = 0  # and at the end
    size: int | None = None  # bytes of all frames, this one included


def tag_in(frame: bytes, header: Header) -> Tag | None:
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        size, frames = struct.unpack_from(">II", frame, 46)
        return Tag(False, frames or None, size=size or None)
    side = (17 if header.channels == 1 else 32) if header.mpeg1 else (9 if header.channels == 1 else 17)
    at = 4 + side
    name = frame[at : at + 4]
    if name not in (b"Xing", b"Info") or len(frame) < at + 8:
        return None
    (flags,) = struct.unpack_from(">I", frame, at + 4)
    at += 8
    frames = _number(frame, at) if flags & 1 else None
    size = _number(frame, at + 4 * bool(flags & 1)) if flags & 2 else None
    lame = at + 4 * bool(flags & 1) + 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
    return Tag(name == b"Info", frames, *_trimming(frame[lame : lame + 24]), size)


def _number(frame: bytes, at: int) -> int | None:
    return int.from_bytes(frame[at : at + 4], "big") or None


def _trimming(lame: bytes) -> tuple[int, int]:
    """Encoder's delay and padding with the decoder's own 529 samples, as gapless players trim them."""
    if len(lame) < 24 or lame[:4] not in (b"LAME", b"Lavf", b"Lavc"):
        return 0, 0
    packed = int.from_bytes(lame[21:24], "big")
    delay, padding = packed >> 12, packed & 0xFFF
    return (delay + 529, max(padding - 529, 0)) if packed else (0, 0)
