"""Frames as a file holds them: what goes in comes out, int8 within half a step of each channel of each clip."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from embed.errors import InputError
from train.frozen.frames import Packed, pack

FRAMES = [
    torch.tensor([[1.0, -254.0], [0.5, 127.0]]),
    torch.tensor([[0.25, 0.0]]),
    torch.tensor([[-2.0, 0.127], [1.0, 0.0], [0.0, -0.001]]),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shard.safetensors"


def test_halves_come_back(file: Path) -> None:
    save_file(pack(FRAMES, "float16"), file)
    found = Packed.open(file, 3)
    for row, frames in enumerate(FRAMES):
        assert torch.equal(found.frames(row), frames.half().float())
        assert found.frames(row).dtype == torch.float32


def test_int8_has_a_scale_for_each_channel_of_each_clip(file: Path) -> None:
    content = pack(FRAMES, "int8")
    assert content["frames"].tolist()[:3] == [[127, -127], [64, 64], [127, 0]]  # 63.5 rounds to even
    torch.testing.assert_close(content["scale"][0], torch.tensor([1 / 127, 2.0]))
    save_file(content, file)
    found = Packed.open(file, 3)
    for row, frames in enumerate(FRAMES):
        half_a_step = content["scale"][row] / 2
        assert bool(((found.frames(row) - frames).abs() <= half_a_step * 1.001).all())


def test_what_is_read_is_the_readers_own(file: Path) -> None:
    save_file(pack(FRAMES, "float16"), file)
    found = Packed.open(file, 3)
    found.frames(0).zero_()
    assert torch.equal(found.frames(0), FRAMES[0])


def test_a_file_of_other_clips_is_refused(file: Path) -> None:
    save_file(pack(FRAMES, "float16"), file)
    with pytest.raises(InputError, match=r"shard\.safetensors: not the planned shard of features"):
        Packed.open(file, 2)
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a shard of features"):
        Packed.open(file, 3)
