import numpy as np

from embed.audio.ffmpeg.programme import channels_together
from embed.audio.stream import Block
from embed.encoder import FloatArray

RATE = 10


def block(value: float, num: int, lost: bool = False) -> Block:
    return Block(np.full(num, value, np.float32), lost)


def frames(*given: tuple[int, Block]) -> tuple[FloatArray, list[tuple[int, bool]]]:
    blocks = list(channels_together(iter(given), 2, RATE))
    return np.concatenate([one.samples for one in blocks]), [(len(one.samples), one.lost) for one in blocks]


def test_tracks_become_channels_and_the_shorter_ends_in_silence() -> None:
    samples, _ = frames((0, block(1, 15)), (1, block(2, 10)), (0, block(3, 15)), (1, block(4, 5)))
    assert samples.shape == (30, 2)
    assert samples[:, 0].tolist() == [1] * 15 + [3] * 15
    assert samples[:, 1].tolist() == [2] * 10 + [4] * 5 + [0] * 15


def test_lost_is_what_all_have_lost() -> None:
    _, found = frames((0, block(0, 20, lost=True)), (1, block(1, 5)), (1, block(0, 10, lost=True)), (1, block(1, 5)))
    assert found == [(5, False), (10, True), (5, False)]


def test_a_track_that_lags_far_behind_holds_nothing_back() -> None:
    given = [(1, block(2, 5)), *((0, block(1, RATE)) for _ in range(60)), (1, block(3, RATE * 40)), (0, block(1, 5))]
    samples, _ = frames(*given)
    assert len(samples) == 605
    assert samples[:, 0].all()
    # The other track comes 30 s too late for its first half minute.
    assert np.flatnonzero(samples[:, 1]).tolist() == [0, 1, 2, 3, 4, *range(300, 405)]
