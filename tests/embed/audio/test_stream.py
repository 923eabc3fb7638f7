import io

import pytest

from embed.audio.stream import Recent, Watched, check_claims, credible_s, key_of, lost_blocks
from embed.errors import UnsupportedFormat


def test_claims_that_no_sound_makes_are_refused_by_name() -> None:
    check_claims("a.wav", 8_000, 1)
    check_claims("a.wav", 192_000, 8)
    for rate, channels, said in ((0, 1, "0 Hz"), (10**9, 1, "1000000000 Hz"), (16_000, 1024, "1024 channels")):
        with pytest.raises(UnsupportedFormat, match=f"a.wav: the header states {said}"):
            check_claims("a.wav", rate, channels)


def test_a_duration_is_believed_as_far_as_the_bytes_can_hold_it() -> None:
    assert credible_s(36 * 3600.0, 500_000_000) == 36 * 3600
    assert credible_s(36 * 3600.0, 1_000) is None
    assert credible_s(10**9, 10**12) is None
    assert credible_s(-1.0, 1_000) is None
    assert credible_s(None, 1_000) is None


def test_lost_sound_comes_in_small_pieces() -> None:
    pieces = list(lost_blocks(first=50, at=20, until=150, rate=5))
    assert [len(piece.samples) for piece in pieces] == [50, 50]
    assert all(piece.lost and not piece.samples.any() for piece in pieces)
    assert list(lost_blocks(first=0, at=20, until=10, rate=5)) == []


def test_a_seek_to_nowhere_moves_nothing() -> None:
    file = Watched(io.BytesIO(b"abcdef"))
    assert [file.seek(*to) for to in ((2, 0), (-9, 0), (-9, 2), (1 << 62, 0), (1, 1), (-2, 2))] == [2, -1, -1, -1, 3, 4]
    assert (file.size, file.read()) == (6, b"ef")


def test_parts_of_a_file_are_read_in_turn() -> None:
    file = Watched(io.BytesIO(b"abcdefgh"))
    first, second = file.part(0, 3), file.part(3, 7)
    inner = second.part(1, 4)
    assert [part.read(2) for part in (first, second, first, second, first, inner)] == [
        b"ab",
        b"de",
        b"c",
        b"fg",
        b"",
        b"ef",
    ]
    assert (second.size, second.read_at(1, 99), inner.seek(-1, 2), inner.read(), file.read()) == (
        4,
        b"efg",
        2,
        b"g",
        b"abcdefgh",
    )


def test_a_part_keeps_storages_error() -> None:
    class Breaks(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ConnectionResetError

    part = Watched(Breaks(bytes(10))).part(2, 8)
    assert part.read(4) == b""
    with pytest.raises(ConnectionResetError):
        part.check()


def test_what_was_measured_is_kept_for_the_last_files() -> None:
    recent: Recent[int] = Recent()
    keys = [key_of(Watched(io.BytesIO(bytes(size))), "a.mp3") for size in range(1, 11)]
    for number, key in enumerate(keys):
        assert recent.of(key, lambda number=number: number) == number  # type: ignore[misc]
    assert recent.of(keys[-1], lambda: -1) == 9
    assert recent.of(keys[0], lambda: -1) == -1
    assert len(recent) == 8
