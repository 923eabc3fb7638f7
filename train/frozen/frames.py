"""Frames of clips in a shard's file: computed by the tower, packed, and read as a memory map.

Shapes: T frames of a clip, F their width, n clips in a file.  float16: `frames` [sum T, F] and `lengths` [n].
int8: `frames` int8, and `scale` [n, F] float32, the value of one step in each channel of each clip.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError
from embed.model.fusion import shorten
from embed.model.towers.budget import by_budget
from embed.model.towers.speech import SpeechTower

SECONDS_BUDGET = 60

Dtype = Literal["float16", "int8"]


def frames_of(tower: SpeechTower, waves: Sequence[FloatArray], pool: int) -> list[Tensor]:
    """float32 [T, F] of each wave, on the CPU, averaged by `pool`; the same under a training's autocast."""
    found: list[Tensor] = [torch.empty(0)] * len(waves)
    device = next(tower.model.parameters()).device.type
    with torch.inference_mode(), torch.autocast(device, enabled=False):
        for group in by_budget([len(wave) for wave in waves], SECONDS_BUDGET * SAMPLE_RATE):
            frames, lengths = tower([waves[i] for i in group])
            frames, lengths = shorten(frames, lengths, pool)
            for place, i in enumerate(group):
                found[i] = frames[place, : int(lengths[place])].cpu().clone()
    return found


def pack(clips: Sequence[Tensor], dtype: Dtype) -> dict[str, Tensor]:
    """The tensors of a file from the frames [T, F] of its clips; the same under a training's autocast."""
    lengths = torch.tensor([len(frames) for frames in clips])
    with torch.autocast("cpu", enabled=False):
        if dtype == "float16":
            return {"lengths": lengths, "frames": torch.cat([frames.half() for frames in clips])}
        # By clip, not by shard: a loud clip would coarsen its neighbours, and a clip packed alone gives the same.
        scale = torch.stack([frames.abs().amax(0).clamp_min(1e-12) / 127 for frames in clips])
        steps = [(frames / one).round().to(torch.int8) for frames, one in zip(clips, scale, strict=True)]
        return {"lengths": lengths, "scale": scale, "frames": torch.cat(steps)}


class Packed:
    """Frames of the clips in a file, or in the result of `pack`."""

    def __init__(self, content: dict[str, Tensor]) -> None:
        self._frames, self._scale = content["frames"], content.get("scale")
        self._ends: list[int] = content["lengths"].cumsum(0).tolist()

    @classmethod
    def open(cls, path: Path, num_clips: int) -> "Packed":
        """A memory map of the file.  Raises InputError where it is no shard of `num_clips` clips."""
        try:
            with safe_open(path, framework="pt") as file:
                names = list(file.keys())
                shard = cls({name: file.get_tensor(name) for name in names})
        except (SafetensorError, KeyError) as error:
            raise InputError(f"{path}: not a shard of features ({error}); delete it and run again") from None
        if len(shard._ends) != num_clips or shard._ends[-1] != len(shard._frames):
            raise InputError(f"{path}: not the planned shard of features; delete it and run again")
        return shard

    def frames(self, row: int) -> Tensor:
        """float32 [T, F] of a clip; a copy that the caller may change."""
        frames = self._frames[self._ends[row - 1] if row else 0 : self._ends[row]].float()
        return frames if self._scale is None else frames * self._scale[row]
