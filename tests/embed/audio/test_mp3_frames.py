import io
import struct

import pytest

from embed.audio.mp3_frames import Frame, Tag, header_at, ranges, tag_bytes, tag_in, walk
from embed.audio.stream import Watched

HEAD = b"\xff\xfb\x90\xc0"  # MPEG-1, layer III, 128 kbit/s, 44.1 kHz, mono
FRAME = HEAD + bytes(413)


def file_of(data: bytes) -> Watched:
    return Watched(io.BytesIO(data))


def frames(data: bytes, offset: int = 0) -> list[Frame]:
    return list(walk(file_of(data), offset))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (HEAD, (3, 44_100, 1152, 417, 128, 1)),
        (b"\xff\xf3\x10\x00", (3, 22_050, 576, 26, 8, 2)),
        (b"\xff\xe3\x18\xc0", (3, 8_000, 576, 72, 8, 1)),
        (b"\xff\xfd\xa4\x00", (2, 48_000, 1152, 576, 192, 2)),
    ],
)
def test_headers(head: bytes, expected: tuple[int, ...]) -> None:
    found = header_at(head, 0)
    assert found is not None
    assert (found.layer, found.rate, found.samples, found.length, found.bitrate, found.channels) == expected


@pytest.mark.parametrize(
    "head", [b"", b"\xff\xfb\x90", b"\xff\xfb\x00\xc0", b"\xff\xfb\xf0\xc0", b"RIFF", b"\xff\xeb\x90\xc0"]
)
def test_what_is_no_header(head: bytes) -> None:
    assert header_at(head, 0) is None


def test_walking_passes_over_what_is_no_frame() -> None:
    found = frames(b"junk" + FRAME * 5 + b" \xff\xfb\x90\xc0 a false one" + bytes(999) + FRAME * 4 + FRAME[:100])
    assert len(found) == 9
    assert [(frame.offset, frame.gap) for frame in found if frame.gap] == [(4, 4), (4 + 5 * 417 + 1016, 1016)]
    assert all(frame.data == FRAME for frame in found)


def test_tags() -> None:
    head = header_at(HEAD, 0)
    assert head is not None
    lame = b"LAME3.100" + bytes(12) + (576 << 12 | 1000).to_bytes(3, "big")
    info = HEAD + bytes(17) + b"Info" + (1).to_bytes(4, "big") + (77).to_bytes(4, "big") + lame + bytes(100)
    assert tag_in(info, head) == Tag(True, 77, 576 + 529, 1000 - 529)
    assert tag_in(info.replace(b"Info", b"Xing"), head) == Tag(False, 77, 576 + 529, 1000 - 529)
    assert tag_in(FRAME, head) is None
    sized = HEAD + bytes(17) + b"Info" + (3).to_bytes(4, "big") + (77).to_bytes(4, "big") + (9999).to_bytes(4, "big")
    assert tag_in(sized + bytes(100), head) == Tag(True, 77, size=9999)


ID3 = b"ID3\x04\0\0\0\0\x27\x08" + HEAD * 1248 + bytes(8)  # 5000 bytes that look like frames
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 40 + 32, 1, 5 << 29) + bytes(8 + 40) + b"APETAGEX" + bytes(24)
ID3V1 = b"TAG" + bytes(125)


def test_lengths_of_tags() -> None:
    assert [tag_bytes(tag) for tag in (ID3, APE, APE[-32:], ID3V1, FRAME)] == [5010, 104, 32, 128, 0]


@pytest.mark.parametrize("tag", [ID3, APE, ID3V1, APE + ID3V1 + ID3], ids=["ID3v2", "APE", "ID3v1", "all"])
def test_tags_between_frames_are_no_damage(tag: bytes) -> None:
    found = frames(FRAME * 5 + tag + FRAME * 5 + tag)
    assert [frame.offset for frame in found[4:6]] == [4 * 417, 5 * 417 + len(tag)]
    assert (len(found), [frame.gap for frame in found]) == (10, [0] * 10)


def test_a_tag_behind_a_frame_that_is_cut_short_is_seen_inside_of_it() -> None:
    found = frames(FRAME * 5 + FRAME[:200] + ID3 + FRAME * 5)
    assert (len(found), sum(frame.gap for frame in found)) == (11, 0)


def test_a_tag_that_lies_about_its_size_hides_nothing() -> None:
    found = frames(FRAME * 5 + b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + FRAME * 5)
    assert len(found) == 10


def test_where_the_kind_of_frames_changes() -> None:
    half = b"\xff\xf3\x90\xc0" + bytes(257)  # MPEG-2, 80 kbit/s, 22.05 kHz
    data = FRAME * 5 + ID3 + half * 6 + b"junk" + FRAME * 4
    first, second = 5 * 417 + len(ID3), 6 * 261
    assert ranges(file_of(data), 0) == [(0, 5 * 417), (first, first + second), (first + second + 4, len(data))]
    chance = FRAME * 5 + half[:4] + bytes(50) + FRAME * 5
    assert ranges(file_of(chance), 0) == [(0, len(chance))]
