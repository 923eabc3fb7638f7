"""Length in a wav file's header, also where the file itself was truncated."""

import struct

from embed.audio.stream import Watched

_MOST_CHUNKS = 64
_OPEN_ENDED = 0x7FFF_0000  # writers that did not know the length wrote 0 or a value like this


def stated_frames(file: Watched) -> int:
    """Samples of one channel; 0 where the header states none, or contradicts itself.

    The position in `file` is restored.
    """
    place = file.tell()
    try:
        return _stated(file)
    except struct.error:  # cut off inside the header
        return 0
    finally:
        file.seek(place)


def _stated(file: Watched) -> int:
    kind, riff_bytes, form = struct.unpack("<4sI4s", file.read_at(0, 12))
    if kind not in (b"RIFF", b"RF64") or form != b"WAVE":
        return 0
    at, frame_bytes, long_bytes = 12, 0, 0
    for _ in range(_MOST_CHUNKS):
        name, size = struct.unpack("<4sI", file.read_at(at, 8))
        if name == b"ds64":
            riff_bytes, long_bytes = struct.unpack("<QQ", file.read_at(at + 8, 16))
        if name == b"fmt ":
            frame_bytes = _frame_bytes(file.read_at(at + 8, 16))
        if name == b"data":
            stated_bytes = size if kind == b"RIFF" else long_bytes
            credible = frame_bytes and stated_bytes <= riff_bytes and (kind == b"RF64" or stated_bytes < _OPEN_ENDED)
            return stated_bytes // frame_bytes if credible else 0
        at += 8 + size + size % 2
    return 0


def _frame_bytes(form: bytes) -> int:
    """Bytes of a frame; 0 where it has no fixed size, since the sound is compressed."""
    code, channels, _, _, align, bits = struct.unpack("<HHIIHH", form)
    plain = code in (1, 3, 6, 7, 0xFFFE) and align == channels * -(-bits // 8)
    return align if plain else 0
