"""The running mean of two weights, step by step, and how it takes the weights' place."""

import torch
from torch import nn

from train.fit.running_mean import RunningMean


def test_the_mean_follows_the_weights_and_forgets_early_steps_sooner() -> None:
    weight = nn.Parameter(torch.tensor([0.0, 10.0]))
    mean = RunningMean({"w": weight}, decay=0.5)
    weight.data = torch.tensor([10.0, 0.0])
    mean.update(0)  # keeps (1 + 0) / (10 + 0) of what it was
    torch.testing.assert_close(mean.state()["w"], torch.tensor([9.0, 1.0]))
    mean.update(100)  # keeps half
    torch.testing.assert_close(mean.state()["w"], torch.tensor([9.5, 0.5]))


def test_the_means_are_the_weights_inside_and_not_behind() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    mean = RunningMean(dict(layer.named_parameters()), decay=0.9)
    nn.init.constant_(layer.weight, 4.0)
    with mean.applied():
        assert layer(torch.ones(1)).item() == 2
    assert layer(torch.ones(1)).item() == 4
    assert mean.state()["weight"].item() == 2


def test_it_goes_on_from_a_state() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    mean = RunningMean({"w": weight}, decay=0.9)
    mean.load({"w": torch.tensor([5.0])})
    assert mean.state()["w"].item() == 5


def test_without_decay_nothing_is_kept() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    mean = RunningMean({"w": weight}, decay=0.0)
    mean.update(0)
    assert mean.state() == {}
    with mean.applied():
        assert weight.item() == 1
