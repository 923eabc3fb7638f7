"""What is hidden of a clip is hidden by the given share, and comes again with the same numbers."""

import numpy as np
import torch

from train.spec import MaskSpec
from train.strategies.masks import mask_frames

MEAN = torch.full((40,), -1.0)


def frames() -> torch.Tensor:
    return torch.arange(100.0)[:, None].expand(100, 40).clone()


def test_nothing_is_hidden_by_default() -> None:
    assert torch.equal(mask_frames(frames(), MaskSpec.parse({}), MEAN, np.random.default_rng(0)), frames())


def test_a_stretch_of_time_becomes_the_clips_mean() -> None:
    found = mask_frames(frames(), MaskSpec.parse({"time": 0.4}), MEAN, np.random.default_rng(1))
    hidden = (found[:, 0] == 49.5).nonzero()[:, 0]
    assert 0 < len(hidden) <= 40
    assert hidden.tolist() == list(range(int(hidden[0]), int(hidden[0]) + len(hidden)))
    assert torch.equal(found[: int(hidden[0])], frames()[: int(hidden[0])])


def test_whole_channels_become_the_mean_of_training() -> None:
    found = mask_frames(frames(), MaskSpec.parse({"channels": 0.4}), MEAN, np.random.default_rng(3))
    hidden = (found == -1).all(0)
    assert 0 < hidden.sum() <= 30
    assert torch.equal(found[:, ~hidden], frames()[:, ~hidden])


def test_single_values_become_the_mean_of_training_by_their_share() -> None:
    found = mask_frames(frames(), MaskSpec.parse({"dropout": 0.25}), MEAN, np.random.default_rng(0))
    assert abs((found == -1).float().mean().item() - 0.25) < 0.03


def test_the_same_numbers_hide_the_same() -> None:
    spec = MaskSpec.parse({"time": 0.3, "channels": 0.3, "dropout": 0.3})
    first, second, other = (mask_frames(frames(), spec, MEAN, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
