"""Late fusion: speech frames enter the frozen text tower as if they were words, and come out in the space of texts.

    wave -> frozen speech tower -> frames [B, T, F] -> fusion -> [B, T', H] --+
    instruction tokens -------------------------------------- in front -------+-> frozen text tower -> pool
    end token ------------------------------------------------- behind -------+      -> transform -> unit [B, D]

Source: arXiv 2602.19991 §2.2, without the faults of its public code: no padding reaches a pooled position, an end
token follows speech, and the instruction of training is the instruction of use.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from embed.encoder import SAMPLE_RATE, Batch, Fingerprints, FloatArray, Role
from embed.errors import SpecError
from embed.model.fusion import Fusion, shorten
from embed.model.spec import EncoderSpec
from embed.model.speech_tower import SpeechTower
from embed.model.text_tower import TextTower
from embed.model.transform import NestingTransform

# What one forward pass holds, in padded tokens and padded seconds: enough to fill two cores, small enough for any.
TOKEN_BUDGET = 4096
SECONDS_BUDGET = 60.0


class LateFusion(nn.Module):
    """The model as a module: trained through `forward`, asked through `encode` (the Encoder contract)."""

    def __init__(
        self,
        spec: EncoderSpec,
        text: TextTower,
        speech: SpeechTower | None,
        fingerprints: Fingerprints | None = None,
    ) -> None:
        super().__init__()
        if spec.dims[0] != text.width:
            raise SpecError(f"dims must begin with the text tower's width {text.width}, not {spec.dims[0]}")
        self.spec = spec
        self.text = text
        self.speech = speech
        self.fusion = Fusion(spec.fusion, speech.width, text.width) if spec.fusion and speech else None
        self.transform = NestingTransform(text.width) if spec.transform else None
        self._fingerprints = fingerprints

    @property
    def dims(self) -> tuple[int, ...]:
        return self.spec.dims

    @property
    def fingerprints(self) -> Fingerprints:
        if self._fingerprints is None:
            raise SpecError("this model is being made and has no fingerprints yet; save it and load it")
        return self._fingerprints

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        """float32 [n, D] unit rows in the order given; see `embed.encoder.Encoder`."""
        if len(batch) == 0:
            return np.zeros((0, self.dims[0]), dtype=np.float32)
        with torch.inference_mode():
            if isinstance(batch[0], str):
                return self._in_groups(self._text_groups(cast(Sequence[str], batch), role, task), len(batch))
            return self._in_groups(self._speech_groups(cast(Sequence[FloatArray], batch), role, task), len(batch))

    def forward(self, frames: Tensor, lengths: Tensor, role: Role, task: str | None = None) -> Tensor:
        """Unit vectors [B, D] of frames [B, T, F] that `shorten` has averaged already."""
        if self.fusion is None:
            raise SpecError("this encoder is of text alone; name a speech tower and a fusion in its spec")
        content, counts = self.fusion(frames, lengths)
        embedded, mask = self._framed(content, counts, role, task)
        pooled = self.fusion.output_map(self.text.pooled(mask, embedded=embedded))
        return self.place(pooled)

    def place(self, pooled: Tensor) -> Tensor:
        """Pooled [n, D] to the unit vectors of the space."""
        return self.transform(pooled) if self.transform is not None else nn.functional.normalize(pooled, dim=-1)

    def _framed(self, content: Tensor, counts: Tensor, role: Role, task: str | None) -> tuple[Tensor, Tensor]:
        """Instruction, content, end token; each row dense from position 0, padding behind: [B, S, H] and mask."""
        head, tail = self.text.frame(role, task)
        words = self.text.embeddings(torch.tensor([*head, *tail], device=content.device)).to(content.dtype)
        begin, end = words[: len(head)], words[len(head) :]
        rows = [torch.cat([begin, row[: int(n)], end]) for row, n in zip(content, counts, strict=True)]
        sizes = counts + len(words)
        mask = torch.arange(int(sizes.max()), device=content.device)[None, :] < sizes[:, None]
        return pad_sequence(rows, batch_first=True), mask

    def _text_groups(self, texts: Sequence[str], role: Role, task: str | None) -> Iterator[tuple[list[int], Tensor]]:
        tokens = self.text.tokens(texts, role, task)
        device = next(self.text.model.parameters()).device
        for group in by_budget([len(one) for one in tokens], TOKEN_BUDGET):
            ids = pad_sequence([torch.tensor(tokens[i]) for i in group], batch_first=True).to(device)
            sizes = torch.tensor([len(tokens[i]) for i in group], device=device)
            mask = torch.arange(ids.shape[1], device=device)[None, :] < sizes[:, None]
            yield group, self.place(self.text.pooled(mask, ids=ids))

    def _speech_groups(
        self, waves: Sequence[FloatArray], role: Role, task: str | None
    ) -> Iterator[tuple[list[int], Tensor]]:
        if self.speech is None or self.fusion is None:
            raise SpecError("this encoder is of text alone; choose a model with a speech tower to embed speech")
        for group in by_budget([len(wave) for wave in waves], int(SECONDS_BUDGET * SAMPLE_RATE)):
            frames, lengths = self.speech([waves[i] for i in group])
            averaged, counts = shorten(frames, lengths, self.fusion.spec.frame_pool)
            yield group, self(averaged, counts, role, task)

    def _in_groups(self, groups: Iterator[tuple[list[int], Tensor]], count: int) -> FloatArray:
        out = np.empty((count, self.dims[0]), dtype=np.float32)
        for where, vectors in groups:
            out[where] = vectors.float().cpu().numpy()
        return out


def by_budget(sizes: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Positions, longest first, in groups whose padded size (longest x count) stays within the budget."""
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    group: list[int] = []
    for i in order:
        if group and sizes[group[0]] * (len(group) + 1) > budget:
            yield group
            group = []
        group.append(i)
    if group:
        yield group
