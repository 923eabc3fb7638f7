import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embed.audio.decode import decode
from embed.audio.flac import is_longer, streams
from embed.audio.stream import Watched

RATE = 16_000


def flac(seconds: float, seed: int = 0, channels: int = 1) -> bytes:
    memory = io.BytesIO()
    wave = np.random.default_rng(seed).uniform(-0.1, 0.1, (round(seconds * RATE), channels))
    soundfile.write(memory, wave, RATE, format="FLAC")
    return memory.getvalue()


def stating(samples: int, data: bytes) -> bytes:
    """With another number of samples in the header."""
    return data[:21] + bytes([data[21] & 0xF0]) + samples.to_bytes(4, "big") + data[26:]


@pytest.mark.parametrize("seconds", [(3,), (3, 5), (5, 3), (4, 4), (0.01, 4), (4, 0.01), (2, 2, 2, 2), (1,) * 6])
def test_each_stream_of_a_file_is_found(seconds: tuple[float, ...]) -> None:
    parts = [flac(each, seed) for seed, each in enumerate(seconds)]
    ends = [0, *np.cumsum([len(part) for part in parts]).tolist()]
    assert streams(Watched(io.BytesIO(b"".join(parts))), f"{seconds}") == list(pairwise(ends))


def test_what_is_one_stream() -> None:
    whole = flac(4, channels=2)
    for name, data in {"whole": whole, "truncated": whole[:-5_000], "unknown": stating(0, whole)}.items():
        assert streams(Watched(io.BytesIO(data)), name) == [(0, len(data))]
        assert not is_longer(Watched(io.BytesIO(data)))
    assert streams(Watched(io.BytesIO(b"RIFF")), "wav") == []
    chance = whole[:42] + b"\xff\xf8\x69\x08" + b"\xff" * 20 + whole[42:]
    assert streams(Watched(io.BytesIO(chance)), "chance") == [(0, len(chance))]


def test_a_stream_that_is_longer_than_stated_is_read_to_its_end(tmp_path: Path) -> None:
    data = stating(RATE, flac(12))
    assert is_longer(Watched(io.BytesIO(data)))
    (tmp_path / "a.flac").write_bytes(data)
    assert decode(str(tmp_path / "a.flac")).decoded_s == 12
