"""Headers of wav and au: the length of their sound, also where it was truncated, or the sizes are wrong.

A recorder that was killed leaves sizes of zero, or those of its last save, and sound behind them.
"""

import struct
from typing import NamedTuple

from embed.audio.stream import Watched

_MOST_CHUNKS = 64
_OPEN_ENDED = 0x7FFF_0000  # writers that did not know the length wrote 0 or a value like this
_BEHIND_S = 0.5  # less behind the stated end is no sound
_LOOK_BYTES = 1 << 16
_NO_SOUND = (b"ID3", b"TAG", b"APE")  # tags that are no chunks
_AU, _AU_BYTES = b".snd", 24
_AU_SUBTYPES = {
    1: ("ULAW", 1),
    2: ("PCM_S8", 1),
    3: ("PCM_16", 2),
    4: ("PCM_24", 3),
    5: ("PCM_32", 4),
    6: ("FLOAT", 4),
    7: ("DOUBLE", 8),
    27: ("ALAW", 1),
}
_EXTENSIBLE, _FMT_BYTES = 0xFFFE, 40
_SUBTYPES = {  # libsndfile's names, by code and bytes of a value
    (1, 1): "PCM_U8",
    (1, 2): "PCM_16",
    (1, 3): "PCM_24",
    (1, 4): "PCM_32",
    (3, 4): "FLOAT",
    (3, 8): "DOUBLE",
    (6, 1): "ALAW",
    (7, 1): "ULAW",
}


class Header(NamedTuple):
    kind: bytes
    riff_bytes: int
    begin: int  # of the sound
    sound_bytes: int  # as stated
    rate: int
    channels: int
    frame_bytes: int  # 0 where it has no fixed size, since the sound is compressed
    subtype: str | None  # None where libsndfile cannot read it without a header
    readable: bool = True  # by libsndfile

    @property
    def end(self) -> int:
        """Of the sound as stated: where the next chunk begins."""
        return self.begin + self.sound_bytes + self.sound_bytes % 2


class Raw(NamedTuple):
    """Sound without a header, as libsndfile reads it."""

    begin: int
    end: int
    rate: int
    channels: int
    subtype: str
    endian: str


def stated_frames(file: Watched) -> int:
    """Samples of one channel; 0 where the header states none, or contradicts itself.

    The position in `file` is restored.
    """
    place = file.tell()
    head = _header(file)
    file.seek(place)
    if head is None or not head.frame_bytes or head.sound_bytes > head.riff_bytes:
        return 0
    known = head.kind == b"RF64" or head.sound_bytes < _OPEN_ENDED
    return head.sound_bytes // head.frame_bytes if known else 0


def beyond(file: Watched) -> Raw | None:
    """The sound up to the end of the file, where the stated size ends before; None where the size is right."""
    head = _header(file) or _au(file)
    if head is None or head.subtype is None:
        return None
    least = _BEHIND_S * head.rate * head.frame_bytes if head.sound_bytes else head.frame_bytes
    end = head.end if file.size - head.end < least or _is_no_sound(file, head) else file.size
    if end == head.end and head.readable:
        return None
    return Raw(head.begin, end, head.rate, head.channels, head.subtype, "BIG" if head.kind == _AU else "LITTLE")


def files(file: Watched) -> list[tuple[int, int]]:
    """Begin and end of each of the wav files in this one; where there is but one, all of it."""
    found, at = list[tuple[int, int]](), 0
    while following := _next_file(file, at):
        found.append((at, following))
        at = following
    return [*found, (at, file.size)]


def _next_file(file: Watched, at: int) -> int | None:
    """Where another wav begins behind the one that begins at `at`."""
    head = _header(file.part(at, file.size))
    if head is None or not head.sound_bytes:
        return None
    place = at + head.end
    while (chunk := _chunk(file, place)) is not None:
        if chunk.name == b"RIFF" and file.read_at(place + 8, 4) == b"WAVE":
            return place
        place = chunk.end
    return None


def _is_no_sound(file: Watched, head: Header) -> bool:
    """Whether only chunks follow the sound, or a tag, or the zeros of reserved space."""
    data = file.read_at(head.end, _LOOK_BYTES)
    if data.startswith(_NO_SOUND) or (head.sound_bytes and not any(data)):
        return True
    place = head.end
    while (chunk := _chunk(file, place)) is not None:
        place = chunk.end
    return place >= file.size


class _Chunk(NamedTuple):
    name: bytes
    size: int
    end: int


def _chunk(file: Watched, at: int) -> _Chunk | None:
    """The chunk at `at`; None where there is none that ends inside the file."""
    head = file.read_at(at, 8)
    if len(head) < 8 or not (head[:4].isascii() and head[:4].decode("ascii").isprintable()):
        return None
    size = int.from_bytes(head[4:], "little")
    end = at + 8 + size + size % 2
    return _Chunk(head[:4], size, end) if end <= file.size + 1 else None


def _header(file: Watched) -> Header | None:
    """None where it is no wav, or cut off inside the header."""
    try:
        return _read(file)
    except struct.error:
        return None


def _read(file: Watched) -> Header | None:
    kind, riff_bytes, form = struct.unpack("<4sI4s", file.read_at(0, 12))
    if kind not in (b"RIFF", b"RF64") or form != b"WAVE":
        return None
    at, long_bytes, padded = 12, 0, True
    sound: tuple[int, int, int, str | None] = (0, 0, 0, None)
    for _ in range(_MOST_CHUNKS):
        name, size = struct.unpack("<4sI", file.read_at(at, 8))
        if name == b"ds64":
            riff_bytes, long_bytes = struct.unpack("<QQ", file.read_at(at + 8, 16))
        if name == b"fmt ":
            sound = _sound(file.read_at(at + 8, min(size, _FMT_BYTES)))
        if name == b"data":
            return Header(kind, riff_bytes, at + 8, size if kind == b"RIFF" else long_bytes, *sound, padded)
        at += 8 + size + size % 2
        if size % 2 and file.read_at(at - 1, 4) in (b"fmt ", b"data"):  # some writers forget to pad odd chunks
            at, padded = at - 1, False
    return None


def _sound(form: bytes) -> tuple[int, int, int, str | None]:
    """Rate, channels, bytes of a frame and libsndfile's name of the format."""
    code, channels, rate, _, align, bits = struct.unpack("<HHIIHH", form[:16])
    if code == _EXTENSIBLE and len(form) == _FMT_BYTES:
        (code,) = struct.unpack_from("<H", form, 24)
    width = -(-bits // 8)
    plain = code in (1, 3, 6, 7, _EXTENSIBLE) and align == channels * width and align > 0
    return rate, channels, align if plain else 0, _SUBTYPES.get((code, width)) if plain and rate else None


def _au(file: Watched) -> Header | None:
    data = file.read_at(0, _AU_BYTES)
    if data[:4] != _AU or len(data) < _AU_BYTES:
        return None
    begin, size, code, rate, channels = struct.unpack(">5I", data[4:])
    subtype, width = _AU_SUBTYPES.get(code, (None, 0))
    return Header(_AU, 0, begin, size, rate, channels, channels * width, subtype if channels and rate else None)
