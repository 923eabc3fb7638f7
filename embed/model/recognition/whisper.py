"""Transcription by Whisper, in one or several hypotheses, in a language that is given or detected.

Shapes: B batch, T frames (50 a second), H width, P tokens of the prompt, V vocabulary.
- The silence after a clip depends on its own length, never on its batch.
- Clips that are finished leave the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embed.encoder import SAMPLE_RATE, FloatArray
from embed.model.recognition.beam import Beam
from embed.model.towers.pretrained import decoded
from embed.model.towers.speech_families import Whisper

# Trained on 30 s, Whisper loops or stops early on much less: evaluate/NOTES.md has the cost of each length.
SHORTEST_PADDED_S, STEP_S, SILENCE_S = 10, 5, 1.0
TOKENS_A_SECOND, TOKENS_MORE = 25, 20  # faster than any speech; a longer text repeats itself
TRANSCRIBE, NO_TIMESTAMPS, START = "<|transcribe|>", "<|notimestamps|>", "<|startoftranscript|>"


@dataclass(frozen=True)
class Written:
    """Token ids, the mean natural logarithm of their probabilities, the language they are in."""

    ids: list[int]
    log_prob: float
    lang: str


class WhisperWords:
    """A Whisper with its decoder, over a tokenizer and a feature extractor."""

    def __init__(self, model: Any, extractor: Any, tokenizer: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._extractor = extractor
        self._encoder = Whisper(model.model.encoder, extractor)
        settings = model.generation_config
        lang_ids: dict[str, int] = getattr(settings, "lang_to_id", None) or {}
        self._lang_ids = {token.strip("<|>"): number for token, number in lang_ids.items()}
        self._end: int = settings.eos_token_id
        self._never = torch.tensor(_forbidden(settings, tokenizer, model.config.vocab_size))
        self._never_first = torch.tensor(list(settings.begin_suppress_tokens or ()), dtype=torch.long)
        self._room: int = model.config.max_target_positions

    @property
    def langs(self) -> tuple[str, ...]:
        """Languages that it can be set to; empty where it knows only one."""
        return tuple(self._lang_ids)

    @property
    def longest_s(self) -> float:
        return float(self.model.config.max_source_positions) / 50

    def padded_s(self, seconds: float) -> float:
        """Seconds of a clip of this length after padding."""
        steps = -(-max(seconds + SILENCE_S, SHORTEST_PADDED_S) // STEP_S)
        return min(float(steps * STEP_S), self.longest_s)

    def write(self, waves: Sequence[FloatArray], langs: Sequence[str], hypotheses: int) -> list[list[Written]]:
        """The waves, all of one `padded_s`, each in the likeliest of `langs`; of all it knows where that is empty.

        `hypotheses` of each wave, the likeliest first; fewer where there are no more.
        """
        states = self._states(waves)
        start = self._id(START)
        spoken = self._languages(states, start, langs)
        prompt = [
            [start, *lang, *self._orders()] for lang in ([[self._lang_ids[one]] if one else [] for one in spoken])
        ]
        beams = [Beam(hypotheses, self._most(len(wave) / SAMPLE_RATE)) for wave in waves]
        self._search(states, torch.tensor(prompt, device=states.device), beams)
        return [
            [Written(ids, total / len(ids), lang) for ids, total in beam.found]
            for beam, lang in zip(beams, spoken, strict=True)
        ]

    def text(self, written: Written) -> str:
        text: str = self.tokenizer.decode(written.ids, skip_special_tokens=True)
        return text.strip()

    def _states(self, waves: Sequence[FloatArray]) -> Tensor:
        """The encoder's last states [B, T, H] of waves with silence after them."""
        size = round(max(self.padded_s(len(wave) / SAMPLE_RATE) for wave in waves) * SAMPLE_RATE)
        padded = [np.pad(wave, (0, max(0, size - len(wave))))[:size] for wave in waves]
        mel = self._extractor(padded, sampling_rate=SAMPLE_RATE, padding=False, truncation=False)["input_features"]
        features = torch.as_tensor(np.asarray(mel), dtype=self.model.dtype, device=self.model.device).transpose(1, 2)
        pairs = features.reshape(len(waves), features.shape[1] // 2, -1)
        return self._encoder.layers(pairs, torch.ones(pairs.shape[:2], dtype=torch.bool, device=pairs.device))[-1]

    def _languages(self, states: Tensor, start: int, langs: Sequence[str]) -> list[str]:
        """The likeliest language of each row, by the decoder's first token."""
        choice = list(langs or self._lang_ids)
        if len(choice) < 2:
            return [choice[0] if choice else ""] * len(states)
        first = torch.full((len(states), 1), start, device=states.device)
        logits = self._logits(self.model.model.decoder(input_ids=first, encoder_hidden_states=states))
        ids = torch.tensor([self._lang_ids[lang] for lang in choice], device=states.device)
        return [choice[i] for i in logits[:, ids].argmax(1).tolist()]

    def _most(self, seconds: float) -> int:
        """Most tokens of a clip: by its own length, independent of its batch."""
        room = self._room - len(self._orders()) - 2
        return max(1, min(int(TOKENS_A_SECOND * seconds) + TOKENS_MORE, room))

    def _search(self, states: Tensor, prompt: Tensor, beams: Sequence[Beam]) -> None:
        """Grow the beam of each clip after its prompt [B, P] until all have ended."""
        clips, ids, cache = list(range(len(beams))), prompt, None  # clips: the clip of each row
        while clips:
            out, cache = decoded(self.model.model.decoder, ids, states, cache)
            chances = self._chances(self._logits(out), first=ids is prompt)
            rows, own, tokens = [], [], []
            for clip in dict.fromkeys(clips):
                first, count = clips.index(clip), clips.count(clip)
                parents = beams[clip].grow(chances[first : first + count], self._end)
                rows += [first + parent for parent in parents]
                own += [clip] * len(parents)
                tokens += beams[clip].last
            ids = torch.tensor(tokens, device=states.device)[:, None]
            chosen = torch.tensor(rows, dtype=torch.long, device=states.device)
            cache.self_attention_cache.batch_select_indices(chosen)
            # All sequences of a clip share its large states: they move only where the number of sequences changes.
            if own != clips:
                cache.cross_attention_cache.batch_select_indices(chosen)
                clips, states = own, states[chosen]

    def _logits(self, out: Any) -> Tensor:
        """float32 [B, V] at the last position."""
        logits: Tensor = self.model.proj_out(out.last_hidden_state[:, -1]).float()
        return logits

    def _chances(self, logits: Tensor, first: bool) -> Tensor:
        """Log-probabilities [B, V] of the allowed tokens."""
        logits[:, self._never.to(logits.device)] = -torch.inf
        if first and len(self._never_first):
            logits[:, self._never_first.to(logits.device)] = -torch.inf
        return logits.log_softmax(1)

    def _orders(self) -> list[int]:
        orders = [NO_TIMESTAMPS] if not self._lang_ids else [TRANSCRIBE, NO_TIMESTAMPS]
        return [self._id(token) for token in orders]

    def _id(self, token: str) -> int:
        number: int = self.tokenizer.convert_tokens_to_ids(token)
        return number


def _forbidden(settings: Any, tokenizer: Any, vocabulary: int) -> list[int]:
    """Tokens that are not text: those that the checkpoint suppresses, and timestamps, the last of the vocabulary."""
    times = tokenizer.convert_tokens_to_ids(NO_TIMESTAMPS)
    return sorted({*(settings.suppress_tokens or ()), *range(times, vocabulary)})
