"""Speech that spells its transcript on the way: connectionist temporal classification over the text tower's tokens.

What the fusion's last convolution is given must tell, position by position, the embeddings of the tokens that are said,
in their order; so the frozen text tower is handed what it knows.  The head that asks for it serves training alone.
Source: Graves et al., ICML 2006.

Shapes: B clips, T positions, C channels of the fusion, H width of the text tower, V tokens that the training's
transcripts are made of, L tokens of the longest transcript in the batch, N tokens drawn from the V.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from embed.encoder import Role
from embed.errors import SpecError
from embed.model.joint import JointEncoder

SHARPNESS = 10.0  # of the cosines, at the start
OTHERS = 256  # transcripts whose tokens are told from a clip's own
NEVER = -1e4


class CtcHead(nn.Module):
    """From the fusion's channels to the loss of each clip's transcript."""

    tokens: Tensor

    def __init__(self, tokens: Tensor, channels: int) -> None:
        """`tokens` [V, H]: their embeddings, which stay as they are."""
        super().__init__()
        centred = nn.functional.normalize(tokens - tokens.mean(0), dim=-1)
        self.register_buffer("tokens", centred, persistent=False)
        self.linear = nn.Linear(channels, tokens.shape[1])
        self.blank = nn.Parameter(torch.zeros(1, tokens.shape[1]))
        self.bias = nn.Parameter(torch.zeros(1 + len(tokens)))
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS))

    def forward(self, sounds: Tensor, counts: Tensor, own: Tensor, sizes: Tensor, others: Tensor) -> Tensor:
        """Negative log-likelihood [B] a token of sounds [B, T, C], of which `counts` [B] are no padding.

        `own` [B, L] are places of the transcript's tokens among all, `sizes` [B] their numbers.  A position says one of
        them, the blank, or any of the tokens `others` [N], which are one class: all V would cost more than the model.
        A transcript too long for its sounds counts nothing.
        """
        asked = nn.functional.normalize(self.linear(sounds), dim=-1) * self.sharpness
        first = (own[:, :, None] == own[:, None, :]).int().argmax(-1)  # [B, L]: a token said twice is one class
        places = torch.arange(own.shape[1], device=own.device)
        padding = places >= sizes[:, None]
        absent = (first != places) | padding
        blank = self._scores(asked, self.blank, self.bias[:1])
        said = self._scores(asked, self.tokens[own], self.bias[1 + own][:, None]).masked_fill(absent[:, None], NEVER)
        among = torch.zeros(len(own), 1 + len(self.tokens), dtype=torch.bool, device=own.device)
        among.scatter_(1, own.masked_fill(padding, len(self.tokens)), True)
        rest = self._scores(asked, self.tokens[others], self.bias[1 + others])
        rest = rest.masked_fill(among[:, None, others], NEVER).logsumexp(-1, keepdim=True)
        chances = torch.cat([blank, said, rest], -1).log_softmax(-1).transpose(0, 1)
        losses = nn.functional.ctc_loss(chances, 1 + first, counts, sizes, reduction="none", zero_infinity=True)
        return losses / sizes

    def _scores(self, asked: Tensor, tokens: Tensor, bias: Tensor) -> Tensor:
        return (asked @ tokens.transpose(-1, -2).to(asked.dtype)).float() + bias


class WithCtc(nn.Module):
    """A model with a fusion and the head beside it, as one module that is trained."""

    def __init__(self, model: JointEncoder, head: CtcHead) -> None:
        super().__init__()
        self.model, self.head = model, head

    def forward(self, x: Tensor, lengths: Tensor, role: Role, own: Tensor, sizes: Tensor, others: Tensor) -> Tensor:
        """[B, D + 1]: the model's vectors of what `JointEncoder.forward` takes, and behind each its `CtcHead` loss."""
        fusion = self.model.fusion
        if fusion is None:
            raise SpecError("CTC goes with a fusion")
        sounds, counts = fusion.sounds(*self.model.heard(x, lengths))
        vectors = self.model.of_embeddings(fusion, *fusion.embeddings(sounds, counts), role)
        return torch.cat([vectors, self.head(sounds, counts, own, sizes, others)[:, None]], 1)


class Transcripts:
    """What the clips of training say, as places among all the tokens that they say."""

    def __init__(self, tokens_of: dict[int, list[int]]) -> None:
        """`tokens_of`: by clip, the text tower's ids of its transcript."""
        self.tokens = sorted({one for ids in tokens_of.values() for one in ids})  # [V] ids
        place = {token: number for number, token in enumerate(self.tokens)}
        self._clips = sorted(tokens_of)
        self._of_clip = {clip: torch.tensor([place[one] for one in ids]) for clip, ids in tokens_of.items()}

    def batch(self, members: Sequence[int], random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """`own`, `sizes` and `others` of these clips, see `CtcHead`; the others are what some clips say, drawn anew."""
        rows = [self._of_clip[one] for one in members]
        drawn = random.choice(self._clips, min(OTHERS, len(self._clips)), replace=False)
        others = torch.unique(torch.cat([self._of_clip[int(one)] for one in drawn]))
        return pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows]), others
