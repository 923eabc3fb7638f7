import numpy as np
import pytest

from embed.errors import InputError
from embed.model.packaged.binary import Cursor


def test_a_cursor_walks_through_numbers_arrays_and_text() -> None:
    cursor = Cursor(b"\x01\x02\x00\x00\x00" + np.array([1.5, -2], "<f4").tobytes() + "été".encode(), "file")
    assert cursor.numbers("BI") == (1, 2)
    assert cursor.array("<f4", 2).tolist() == [1.5, -2]
    assert cursor.text(5) == "été"
    assert bytes(cursor.at(0, 1)) == b"\x01"


@pytest.mark.parametrize(("start", "size"), [(0, 5), (4, 1), (3, 2), (0, -1), (-1, 2), (2**63, 1)])
def test_nothing_is_read_beyond_the_end(start: int, size: int) -> None:
    with pytest.raises(InputError, match=r"the file is damaged: .* install it again"):
        Cursor(b"abcd", "the file").at(start, size)


def test_an_array_of_negative_length_is_refused() -> None:
    with pytest.raises(InputError):
        Cursor(b"abcd", "file").array("<f4", -1)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="the text at 0 is not UTF-8"):
        Cursor(b"\xff\xfe", "file").text(2)
