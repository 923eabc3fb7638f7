"""Transcription by a CTC model: wav2vec2, HuBERT, WavLM or w2v-BERT, fine-tuned for speech recognition.

Shapes: B batch, T frames, V vocabulary.  Clips enter unpadded, as in the speech tower: nothing depends on batch mates.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from embed.encoder import FloatArray
from embed.model.recognition.whisper import Written
from embed.model.towers.speech_families import FAMILIES


class CtcWords:
    """A model for connectionist temporal classification, over a tokenizer and a feature extractor."""

    def __init__(self, model: Any, extractor: Any, tokenizer: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._inner = model.base_model
        self._run = FAMILIES[model.config.model_type](self._inner, extractor)
        # Some w2v-BERTs shorten their frames once more, by convolutions that would include padding.
        self._adapter = getattr(self._inner, "adapter", None)

    @property
    def langs(self) -> tuple[str, ...]:
        return ()

    @property
    def longest_s(self) -> float:
        return self._run.longest_s

    def padded_s(self, seconds: float) -> float:
        return seconds if self._adapter is not None else 0.0  # any lengths share a batch: padding is masked

    def write(self, waves: Sequence[FloatArray], langs: Sequence[str], hypotheses: int) -> list[list[Written]]:
        """Tokens of each wave, in the model's only language, with the caller's name for it: `langs`, if it is one.

        Always one hypothesis: `hypotheses` has no effect, since CTC frames are independent.
        """
        if self._adapter is not None and len(waves) > 1:
            return [one for wave in waves for one in self.write([wave], langs, hypotheses)]
        found = [self._run.features(wave) for wave in waves]
        lengths = torch.tensor([len(one) for one in found], device=self.model.device)
        features = pad_sequence(found, batch_first=True).to(self.model.device, self.model.dtype)
        mask = torch.arange(features.shape[1], device=self.model.device)[None, :] < lengths[:, None]
        states = self._run.layers(features, mask)[-1]
        if self._adapter is not None:
            states = self._adapter(states)
            lengths = torch.tensor([states.shape[1]])
        chances = self.model.lm_head(states).float().log_softmax(-1)
        lang = langs[0] if len(langs) == 1 else ""
        return [[_best(row[:length], lang)] for row, length in zip(chances, lengths.tolist(), strict=True)]

    def text(self, written: Written) -> str:
        """Repeated letters count once and blanks are removed: the tokenizer's own rule."""
        text: str = self.tokenizer.decode(written.ids)
        return text.strip()


def _best(chances: Tensor, lang: str) -> Written:
    """The likeliest path through [T, V]."""
    best, ids = chances.max(-1)
    return Written(ids.tolist(), float(best.mean()), lang)
