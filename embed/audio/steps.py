"""Conversion of a stream to mono at 16 kHz, in fixed steps of the recording.

Each step is computed from the same samples, with a margin on both sides, wherever decoding began.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from embed.audio.mix import mean_of, mixed
from embed.audio.stream import Block, Stream
from embed.encoder import SAMPLE_RATE, FloatArray

STEP_S = 10
_MARGIN_S = 1  # far longer than the resampler's filter; whole seconds, so that both rates align exactly
_MOST_VALUES_PER_S = 1 << 20  # of all channels together; more are averaged without a check, to limit memory
_MOST = 1e30  # below this the sum of all channels is finite

Span = tuple[int, int]  # samples at 16 kHz
Bools = NDArray[np.bool_]


class Step(NamedTuple):
    samples: FloatArray  # mono, 16 kHz
    lost: list[Span]  # zeros in place of sound that could not be decoded, or was not finite; from the step's beginning


def steps(stream: Stream, number: int) -> Iterator[Step]:
    """The steps from `number` on; the last one is the remainder."""
    rate = stream.rate
    window = _Window(stream, max(number * STEP_S - _MARGIN_S, 0) * rate)
    while True:
        begin, end = number * STEP_S * rate, (number + 1) * STEP_S * rate
        left = max(begin - _MARGIN_S * rate, 0)
        source, bad = window.read(left, end + _MARGIN_S * rate)
        core = min(left + len(source), end) - begin
        if core <= 0:
            return
        yield Step(_converted(source, begin - left, core, rate), _spans_at_16k(bad[begin - left :][:core], rate))
        number += 1


def _converted(source: FloatArray, margin: int, core: int, rate: int) -> FloatArray:
    """The `core` samples after the margin, at 16 kHz."""
    if rate == SAMPLE_RATE:
        return source[margin : margin + core]
    converted = soxr.resample(source, rate, SAMPLE_RATE, quality="HQ")
    skip = margin * SAMPLE_RATE // rate
    part: FloatArray = converted[skip : skip + -(-core * SAMPLE_RATE // rate)]
    return part


class _Window:
    """Window on a stream: reads forward, and drops the blocks before it."""

    def __init__(self, stream: Stream, first: int) -> None:
        self._rate = stream.rate
        self._blocks = stream.blocks(first)
        self._at = self._end = first
        self._kept: deque[tuple[FloatArray, Bools]] = deque()  # frames without what is not finite; which are lost

    def read(self, first: int, last: int) -> tuple[FloatArray, Bools]:
        """Samples [first, last) or up to the end, mono, and which of them are lost; `first` never goes back."""
        while self._end < last and (block := next(self._blocks, None)) is not None:
            self._kept.append(_cleaned(block, self._rate))
            self._end += len(block.samples)
        while self._kept and self._at + len(self._kept[0][0]) <= first:
            self._at += len(self._kept.popleft()[0])
        frames = [np.zeros(0, np.float32), *(frames for frames, _ in self._kept)]
        bad = np.concatenate([np.zeros(0, bool), *(bad for _, bad in self._kept)])
        here = slice(max(first - self._at, 0), max(last - self._at, 0))
        return _mono(frames, here, self._rate), bad[here]


def _cleaned(block: Block, rate: int) -> tuple[FloatArray, Bools]:
    """A block's frames, with zeros for those that are not finite."""
    frames = block.samples
    if block.lost:
        return frames, np.ones(len(frames), bool)
    if frames.ndim > 1 and frames.shape[1] * rate > _MOST_VALUES_PER_S:
        frames = mean_of(frames)
    if len(frames) and frames.min() > -_MOST and frames.max() < _MOST:
        return frames, np.zeros(len(frames), bool)
    bad = ~np.isfinite(mean_of(frames))
    return np.where(bad if frames.ndim == 1 else bad[:, None], np.float32(0), frames), bad


def _mono(pieces: list[FloatArray], here: slice, rate: int) -> FloatArray:
    """The mix of pieces one after the other, in `here`, which begins with a whole second."""
    most = max(piece.shape[1] if piece.ndim > 1 else 1 for piece in pieces)
    if most == 1:
        return np.concatenate(pieces)[here]
    # Where the number of channels changes on the way, the few become many: their mean in each.
    # An empty piece would make numpy change the order in memory of those that have each channel by itself.
    wide = [
        piece if piece.shape[1:] == (most,) else np.repeat(mean_of(piece)[:, None], most, 1)
        for piece in pieces
        if len(piece)
    ]
    return mixed(np.concatenate(wide)[here], rate)


def _spans_at_16k(bad: Bools, rate: int) -> list[Span]:
    if not bad.any():
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], bad, [False]]).astype(np.int8)))
    return [
        (int(a) * SAMPLE_RATE // rate, -(-int(b) * SAMPLE_RATE // rate))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
