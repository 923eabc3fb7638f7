"""Beam search over tokens, for one clip: several hypotheses of what was said, the likeliest first.

Pure: it is told what each of its sequences may go on with, and says which go on.  With a width of 1 it is greedy.
"""

from collections.abc import Sequence
from heapq import nlargest

import torch
from torch import Tensor

Scored = tuple[list[int], float]  # tokens, and the sum of the natural logarithms of their probabilities


class Beam:
    """The sequences of a clip that go on, and those that have ended."""

    def __init__(self, width: int, most: int) -> None:
        """At most `width` sequences at a time, of at most `most` tokens."""
        self._width, self._most = width, most
        self._open: list[Scored] = [([], 0.0)]
        self._ended: list[Scored] = []

    @property
    def last(self) -> list[int]:
        """The last token of each sequence that goes on; they are asked for what comes next in this order."""
        return [ids[-1] for ids, _ in self._open]

    @property
    def found(self) -> list[Scored]:
        """What has ended, the likeliest first: one sequence at least and `width` at most, once none goes on."""
        return self._ended

    def grow(self, chances: Tensor, end: int) -> list[int]:
        """A token more, by the log-probabilities [sequences, V] of what comes next; `end` ends a sequence.

        For each sequence that goes on, the place of the one that it continues; [] when the search is over.
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
            elif rank < self._width:  # What is less likely than a whole beam of others is no end of the sentence.
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
        """A sequence only gets less likely as it grows, so none can come before what has ended."""
        if not self._open or len(self._open[0][0]) >= self._most:
            return True
        return len(self._ended) == self._width and self._open[0][1] <= self._ended[-1][1]


def _likeliest(written: Sequence[Scored], most: int) -> list[Scored]:
    return nlargest(most, written, key=lambda one: one[1])
