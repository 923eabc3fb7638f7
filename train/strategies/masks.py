"""Augmentation of frames: hides parts of a clip at random (SpecAugment's idea)."""

import numpy as np
import torch
from torch import Tensor

from train.spec import MaskSpec


def mask_frames(frames: Tensor, spec: MaskSpec, mean: Tensor, chance: np.random.Generator) -> Tensor:
    """Frames [T, F] with some values hidden; `mean` [F] is the mean of all training frames.

    A hidden stretch of time becomes the clip's own mean, a hidden channel or value the mean of training.  `frames` may
    be changed in place.
    """
    stretch = int(len(frames) * chance.uniform(0, spec.time))
    if stretch:
        begin = int(chance.integers(len(frames) - stretch + 1))
        frames[begin : begin + stretch] = frames.mean(0)
    if spec.channels:
        hidden = torch.from_numpy(chance.random(frames.shape[1]) < chance.uniform(0, spec.channels))
        frames[:, hidden] = mean[hidden]
    if spec.dropout:
        frames = torch.where(_drawn(frames.shape, spec.dropout, chance), mean, frames)
    return frames


def _drawn(shape: torch.Size, share: float, chance: np.random.Generator) -> Tensor:
    """True for `share` of the values; sixteen random bits per value are enough, and four times as fast as a float."""
    bits = np.frombuffer(chance.bytes(2 * shape.numel()), dtype=np.uint16)
    return torch.from_numpy(bits < round(share * 65536)).view(shape)
