"""Frames of clips as a shard's file holds them: made by the tower, packed, and read again as a memory map.

Shapes: T frames of a clip, F their width, n clips in a file.  float16: `frames` [sum T, F] and `lengths` [n].
int8: `frames` int8, and `scale` [n, F] float32, what a step is worth in each channel of each clip.
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
    """float32 [T, F] of each wave, on the CPU, `pool` neighbours averaged; the same under a training's autocast."""
    found: list[Tensor] = [torch.empty(0)] * len(waves)
    device = next(tower.model.parameters()).device.type
    with torch.inference_mode(), torch.autocast(device, enabled=False):
        for group in by_budget([len(wave) for wave in waves], SECONDS_BUDGET * SAMPLE_RATE):
            frames, lengths = tower([waves[i] for i in group])
            frames, lengths = shorten(frames, lengths, pool)
            for place, i in enumerate(group):
                found[i] = frames[place, : int(lengths[place])].cpu().clone()
    return found


def packed(found: Sequence[Tensor], dtype: Dtype) -> dict[str, Tensor]:
    """The tensors of a file; the same under a training's autocast."""
    lengths = torch.tensor([len(frames) for frames in found])
    with torch.autocast("cpu", enabled=False):
        if dtype == "float16":
            return {"lengths": lengths, "frames": torch.cat([frames.half() for frames in found])}
        # By clip, not by shard: a loud clip would cost its neighbours their detail, and a clip alone gives the same.
        scale = torch.stack([frames.abs().amax(0).clamp_min(1e-12) / 127 for frames in found])
        steps = [(frames / one).round().to(torch.int8) for frames, one in zip(found, scale, strict=True)]
        return {"lengths": lengths, "scale": scale, "frames": torch.cat(steps)}


class Packed:
    """The clips of a file, or of what `packed` made."""

    def __init__(self, content: dict[str, Tensor]) -> None:
        self._frames, self._scale = content["frames"], content.get("scale")
        self._ends: list[int] = content["lengths"].cumsum(0).tolist()

    @classmethod
    def open(cls, path: Path, num_clips: int) -> "Packed":
        """A memory map of the file.  Raises InputError where it is not one of so many clips."""
        try:
            with safe_open(path, framework="pt") as file:
                names = list(file.keys())
                found = cls({name: file.get_tensor(name) for name in names})
        except (SafetensorError, KeyError) as error:
            raise InputError(f"{path}: not a shard of features ({error}); delete it and run again") from None
        if len(found._ends) != num_clips or found._ends[-1] != len(found._frames):
            raise InputError(f"{path}: not the shard of features that was planned; delete it and run again")
        return found

    def frames(self, row: int) -> Tensor:
        """float32 [T, F] of a clip, the caller's own."""
        found = self._frames[self._ends[row - 1] if row else 0 : self._ends[row]].float()
        return found if self._scale is None else found * self._scale[row]
