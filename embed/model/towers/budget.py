"""Size of a tower's passes: groups of nearly equal length, and smaller groups after memory runs out."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from embed.encoder import FloatArray

Encode = Callable[[list[int]], FloatArray | Tensor]  # the rows of positions, in memory or on a device

log = logging.getLogger(__name__)

# Share of a group's budget that may be padding.  A pass has a fixed cost of some thirty tokens (of 1,024 on a CPU), so
# more and smaller groups would gain nothing.
PADDING = 1 / 32


class Budget:
    """The padded size of one pass (tokens, or samples of sound), and how often it was halved."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.halvings = 0  # how often memory ran out

    def rows(self, sizes: Sequence[int], width: int, encode: Encode) -> FloatArray:
        """float32 [n, width], where `encode` gives the rows of the positions it gets.

        Rows on a device are copied after the last group: until then the host prepares groups, and does not wait.
        A group that does not fit in memory halves the budget permanently; raises torch's error where a single item
        does not fit.
        """
        out = np.empty((len(sizes), width), dtype=np.float32)
        done: list[tuple[list[int], FloatArray | Tensor]] = []
        groups = deque(by_budget(sizes, self.size))
        while groups:
            found = self._tried(groups[0], encode)
            if found is None:
                left = [i for group in groups for i in group]
                groups = deque([left[j] for j in group] for group in by_budget([sizes[i] for i in left], self.size))
            else:
                done.append((groups.popleft(), found))
        for group, rows in done:
            out[group] = rows.float().cpu().numpy() if isinstance(rows, Tensor) else rows
        return out

    def _tried(self, group: list[int], encode: Encode) -> FloatArray | Tensor | None:
        try:
            return encode(group)
        except RuntimeError as error:
            if len(group) == 1 or not out_of_memory(error):
                raise
        # After the except clause: the error kept the pass's memory allocated.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.size = max(1, self.size // 2)
        self.halvings += 1
        log.warning("out of memory with %d items in one pass; the size of a pass is now %d", len(group), self.size)
        return None


def by_budget(sizes: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Positions, longest first, in groups whose padded size (longest x count) stays within the budget.

    A group ends early where the next one would bring its padding over a thirty-second of the budget.
    """
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    group: list[int] = []
    padding = 0
    for i in order:
        longest = sizes[group[0]] if group else 0
        padding += max(0, longest - sizes[i])
        if group and (longest * (len(group) + 1) > budget or padding > budget * PADDING):
            yield group
            group, padding = [], 0
        group.append(i)
    if group:
        yield group


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch could not allocate, on the accelerator or in main memory."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
