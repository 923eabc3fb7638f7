"""The frozen speech features, computed once and kept in shards on disk, read as a memory map.

A shard holds some clips at one speed: `frames` [sum T, F] float16 and `lengths` [n], as safetensors.  Its name is of
what went in (tower, layers, pooling, the clips' keys and sizes), so that a changed input never meets an old shard.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.identity import digest
from embed.model.budget import by_budget
from embed.model.directory import tower_digest
from embed.model.fusion import shorten
from embed.model.spec import EncoderSpec
from embed.model.speech_tower import SpeechTower
from train.curate.sources.clips import Clip, read_clip

CLIPS_PER_SHARD = 128
SECONDS_BUDGET = 60


@dataclass(frozen=True)
class Shard:
    """Some clips at one speed, and the file that holds their frames."""

    clips: tuple[Clip, ...]
    speed: float
    path: Path


def plan_shards(spec: EncoderSpec, clips: Sequence[Clip], speeds: Sequence[float], folder: Path) -> list[Shard]:
    """One shard for every 128 clips and speed, in the order of clips."""
    if spec.speech is None or spec.fusion is None:
        raise ValueError("features need a speech tower and a fusion")
    made_by = [tower_digest(spec.speech.name), list(spec.speech.layers or ()), spec.fusion.frame_pool]
    shards = []
    for speed in speeds:
        for begin in range(0, len(clips), CLIPS_PER_SHARD):
            part = tuple(clips[begin : begin + CLIPS_PER_SHARD])
            name = digest("features", made_by, speed, [[c.source, c.lang, c.key, c.path.stat().st_size] for c in part])
            shards.append(Shard(part, speed, folder / f"{name.hex()}.safetensors"))
    return shards


def compute_shard(tower: SpeechTower, frame_pool: int, shard: Shard) -> None:
    """Write the shard's file, unless it stands already; the file appears whole or not at all."""
    if shard.path.exists():
        return
    waves = [at_speed(read_clip(clip.path), shard.speed) for clip in shard.clips]
    found: list[Tensor] = [torch.empty(0)] * len(waves)
    with torch.inference_mode():
        for group in by_budget([len(wave) for wave in waves], SECONDS_BUDGET * SAMPLE_RATE):
            frames, lengths = tower([waves[i] for i in group])
            frames, lengths = shorten(frames, lengths, frame_pool)
            for row, i in enumerate(group):
                found[i] = frames[row, : int(lengths[row])].half().clone()
    shard.path.parent.mkdir(parents=True, exist_ok=True)
    temporary = shard.path.with_suffix(f".{os.getpid()}.part")
    save_file({"frames": torch.cat(found), "lengths": torch.tensor([len(f) for f in found])}, temporary)
    temporary.replace(shard.path)


def at_speed(wave: FloatArray, speed: float) -> FloatArray:
    """The wave played `speed` times as fast, pitch and all: another voice for the price of a resampling."""
    if speed == 1.0:
        return wave
    played: FloatArray = soxr.resample(wave, SAMPLE_RATE * speed, SAMPLE_RATE).astype(np.float32)
    return played


class Features:
    """Frames of clip i at speed number s, read from the shards when asked."""

    def __init__(self, shards: Sequence[Shard], num_clips: int) -> None:
        self.num_clips = num_clips
        self._frames: list[Tensor] = []
        self._where: list[tuple[int, int, int]] = []  # shard, begin, end for clip + speed * num_clips
        for number, shard in enumerate(shards):
            with safe_open(shard.path, framework="pt") as file:
                self._frames.append(file.get_tensor("frames"))
                ends = file.get_tensor("lengths").cumsum(0).tolist()
            begins = [0, *ends[:-1]]
            self._where += [(number, begin, end) for begin, end in zip(begins, ends, strict=True)]

    @property
    def width(self) -> int:
        return self._frames[0].shape[1]

    @property
    def speeds(self) -> int:
        return len(self._where) // self.num_clips

    def length(self, clip: int, speed: int = 0) -> int:
        _, begin, end = self._where[clip + speed * self.num_clips]
        return end - begin

    def frames(self, clip: int, speed: int = 0) -> Tensor:
        """float32 [T, F]."""
        shard, begin, end = self._where[clip + speed * self.num_clips]
        return self._frames[shard][begin:end].float()

    def spread(self, clips: Sequence[int], seed: int, sample: int = 400) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [F] over the frames of a random sample of the given clips."""
        chosen = np.random.default_rng(seed).permutation(np.asarray(clips))[:sample]
        frames = torch.cat([self.frames(int(clip)) for clip in chosen])
        return frames.mean(0), frames.std(0).clamp_min(1e-4)
