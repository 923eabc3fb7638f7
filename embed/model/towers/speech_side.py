"""Speech side of a pretrained model that encodes text and speech by itself: waves to soft tokens, and the marks.

Soft tokens, 25 a second, are read by the text tower between two marks, like words.

Shapes: B batch, T frames of 10 ms, C mel bands, T' soft tokens, H width of the word embeddings.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from embed.encoder import FloatArray
from embed.model.spec import SpeechTowerSpec
from embed.model.towers.one_tower import LONGEST_S
from embed.model.towers.speech import check_wave


class SpeechSide(nn.Module):
    """Waves to soft tokens; in the place of a `SpeechTower`."""

    longest_s = LONGEST_S
    depth = 0  # it has no layers to choose from, and none that are trained

    def __init__(self, spec: SpeechTowerSpec, model: Any, extractor: Any) -> None:
        super().__init__()
        self.spec, self.extractor = spec, extractor
        self.model = nn.ModuleDict({"tower": model.audio_tower, "embedder": model.embed_audio})
        self.model.eval().requires_grad_(False)
        self.width: int = model.config.text_config.hidden_size

    def train(self, mode: bool = True) -> "SpeechSide":
        """Stays in evaluation mode."""
        return super().train(False)

    def forward(self, waves: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
        """float32 [B, T', H], zero after each clip's end, and lengths [B].  InputError for an unfit wave."""
        for wave in waves:
            check_wave(wave, self.longest_s, self.spec.name)
        found = [self._features(wave) for wave in waves]
        weight = next(self.model.parameters())
        features = pad_sequence(found, batch_first=True).to(weight.device, weight.dtype)
        sizes = torch.tensor([len(one) for one in found], device=weight.device)
        mask = torch.arange(features.shape[1], device=weight.device)[None, :] < sizes[:, None]
        encoded = self.model["tower"](features, mask)
        tokens = self.model["embedder"](inputs_embeds=encoded.last_hidden_state).float()
        kept: Tensor = encoded.attention_mask
        return tokens * kept.unsqueeze(-1), kept.sum(1)

    def _features(self, wave: FloatArray) -> Tensor:
        """[T, C] of one clip, without the frames that reach beyond its end."""
        made = self.extractor([wave])
        return torch.as_tensor(made["input_features"][0][made["input_features_mask"][0]])


class Marks(nn.Module):
    """Puts the marks around soft tokens; in the place of a `Fusion`, without weights."""

    begin: Tensor
    end: Tensor

    def __init__(self, begin: Tensor, end: Tensor) -> None:
        super().__init__()
        self.register_buffer("begin", begin, persistent=False)  # [H]
        self.register_buffer("end", end, persistent=False)
        self.output_map = nn.Identity()

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T', H] and lengths [B] to [B, T' + 2, H], zero after each end, and lengths + 2."""
        begin, end = self.begin.to(x.dtype)[None], self.end.to(x.dtype)[None]
        rows = [torch.cat([begin, row[: int(n)], end]) for row, n in zip(x, lengths, strict=True)]
        return pad_sequence(rows, batch_first=True), lengths + 2
