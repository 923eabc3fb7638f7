import io

import pytest

from embed.audio.mp3_frames import ByteClock, Frame, NotConstantError, Tag, counted, header_at, tag_in, walk
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
    assert [frame.offset for frame in found if frame.gap] == [4, 4 + 5 * 417 + 16 + 1000]
    assert all(frame.data == FRAME for frame in found)


def test_numbers_by_bytes_and_by_counting_agree_behind_damage() -> None:
    data = FRAME * 100 + bytes(417 * 7 + 3) + FRAME * 50
    clock = counted(file_of(data), 0, header_at(HEAD, 0).kind, None)  # type: ignore[union-attr]
    assert clock.count == 157
    assert list(clock.jumps.values()) == [107]
    by_bytes = ByteClock(0, 417.0)
    behind = frames(data)[100]
    assert by_bytes.number(behind, 99) == clock.number(behind, 99) == 107


def test_the_stated_number_of_frames_corrects_what_is_reckoned_from_bytes() -> None:
    data = FRAME * 100 + bytes(417 * 7) + FRAME * 50
    assert counted(file_of(data), 0, header_at(HEAD, 0).kind, 160).count == 160  # type: ignore[union-attr]


def test_a_clock_of_bytes_that_goes_wrong_says_so() -> None:
    frame = frames(FRAME * 5)[4]
    assert ByteClock(0, 417.0).number(frame, 3) == 4
    with pytest.raises(NotConstantError):
        ByteClock(0, 417.0).number(frame, 1)


def test_tags() -> None:
    head = header_at(HEAD, 0)
    assert head is not None
    lame = b"LAME3.100" + bytes(12) + (576 << 12 | 1000).to_bytes(3, "big")
    info = HEAD + bytes(17) + b"Info" + (1).to_bytes(4, "big") + (77).to_bytes(4, "big") + lame + bytes(100)
    assert tag_in(info, head) == Tag(True, 77, 576 + 529, 1000 - 529)
    assert tag_in(info.replace(b"Info", b"Xing"), head) == Tag(False, 77, 576 + 529, 1000 - 529)
    assert tag_in(FRAME, head) is None
