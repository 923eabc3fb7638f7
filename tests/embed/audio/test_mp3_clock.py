import pytest

from embed.audio.mp3_clock import ByteClock, NotConstantError, counted
from embed.audio.mp3_frames import header_at
from tests.embed.audio.test_mp3_frames import FRAME, HEAD, file_of, frames


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
