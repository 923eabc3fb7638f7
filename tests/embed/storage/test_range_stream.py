import io

import numpy as np

from embed.storage.range_stream import FIRST_BYTES, MOST_BYTES, Head, RangeStream

DATA = np.random.default_rng(0).bytes(40 * FIRST_BYTES)


def stream() -> tuple[RangeStream, list[int]]:
    """A stream over DATA, and the sizes of the blocks it asks for."""
    asked: list[int] = []

    def part(head: Head, start: int, stop: int) -> bytes:
        asked.append(stop - start)
        return DATA[start:stop]

    return RangeStream(Head(DATA[:FIRST_BYTES], len(DATA), "mark"), part), asked


def test_blocks_grow_while_reading_goes_straight_on() -> None:
    one, asked = stream()
    assert io.BufferedReader(one).read() == DATA
    assert asked == [min(FIRST_BYTES * 2**turn, MOST_BYTES) for turn in range(1, 1 + len(asked))]


def test_the_beginning_costs_nothing_more() -> None:
    one, asked = stream()
    assert one.read(100) == DATA[:100]
    assert asked == []


def test_a_jump_starts_with_a_small_block_again() -> None:
    one, asked = stream()
    for place in (30 * FIRST_BYTES, 20 * FIRST_BYTES):
        one.seek(place)
        assert one.read(7) == DATA[place : place + 7]
    assert asked == [FIRST_BYTES, FIRST_BYTES]


def test_any_walk_reads_as_a_file_does() -> None:
    dice = np.random.default_rng(1)
    one, plain = io.BufferedReader(stream()[0]), io.BytesIO(DATA)
    for _ in range(300):
        offset, whence, size = int(dice.integers(0, len(DATA) + 9)), int(dice.integers(3)), int(dice.integers(1 << 20))
        offset = {0: offset, 1: -min(offset % 99, plain.tell()), 2: -offset % len(DATA) - len(DATA)}[whence]
        assert one.seek(offset, whence) == plain.seek(offset, whence)
        assert one.read(size) == plain.read(size)
