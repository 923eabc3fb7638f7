"""Beam search over tokens, for one clip: several hypotheses of its transcript, the likeliest first.

It runs no model: it takes the probabilities of the next tokens and returns the sequences to continue.  With a width
of 1 it is greedy.
"""

from collections.abc import Sequence
from heapq import nlargest

import torch
from torch import Tensor

Scored = tuple[list[int], float]  # tokens, and the sum of the natural logarithms of their probabilities


class Beam:
    """The unfinished and the finished sequences of a clip."""

    def __init__(self, width: int, most: int) -> None:
        """At most `width` sequences at a time, of at most `most` tokens."""
        self._width, self._most = width, most
        self._open: list[Scored] = [([], 0.0)]
        self._ended: list[Scored] = []

    @property
    def last(self) -> list[int]:
        """The last token of each unfinished sequence, in the order of the next call of `grow`."""
        return [ids[-1] for ids, _ in self._open]

    @property
    def found(self) -> list[Scored]:
        """The finished sequences, the likeliest first: at least one and at most `width`, once the search is over."""
        return self._ended

    def grow(self, chances: Tensor, end: int) -> list[int]:
        """Add a token, by the log-probabilities [sequences, V] of the next one; `end` ends a sequence.

        Returns, for each unfinished sequence, the position of the one that it continues; [] when the search is over.
        """
        sums = chances + torch.tensor([total for _, total in self._open], device=chances.device)[:, None]
        best, place = sums.flatten().topk(min(2 * self._width, sums.numel()))
        grown: list[tuple[Scored, int]] = []
        for rank, (total, at) in enumerate(zip(best.tolist(), place.tolist(), strict=True)):
            parent, token = divmod(at, chances.shape[1])
            written = [*self._open[parent][0], token], total
            if total == -torch.inf:
                break
            if token != end:
                grown.append((written, parent))
            elif rank < self._width:  # an end that is less likely than a full beam of others is dropped
                self._ended.append(written)
        grown = grown[: self._width]
        self._open = [written for written, _ in grown]
        self._ended = _likeliest(self._ended, self._width)
        if self._is_over():
            self._ended = _likeliest([*self._ended, *self._open], self._width)
            self._open = []
            return []
        return [parent for _, parent in grown]

    def _is_over(self) -> bool:
        """Whether no unfinished sequence can beat the finished ones: a sequence gets less likely as it grows."""
        if not self._open or len(self._open[0][0]) >= self._most:
            return True
        return len(self._ended) == self._width and self._open[0][1] <= self._ended[-1][1]


def _likeliest(written: Sequence[Scored], most: int) -> list[Scored]:
    return nlargest(most, written, key=lambda one: one[1])
