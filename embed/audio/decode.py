"""Decoder of recordings: float32 mono at 16 kHz, from any place, in bounded memory.

A span has the same samples wherever decoding began: rates are converted in fixed steps of the recording
(`_STEP_S`, with a margin on both sides), never from the requested place.  Channels are averaged.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr

from embed.audio.containers import open_stream
from embed.audio.stream import Block, Stream
from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError

_STEP_S = 10
MOST_S = 3600.0  # 230 MB of samples, and twice that while they are joined
_MARGIN_S = 1  # far longer than the resampler's filter; whole seconds, so that both rates align exactly

Span = tuple[int, int]  # samples at 16 kHz


@dataclass(frozen=True)
class AudioInfo:
    duration_s: float | None  # from the header, or as counted; None where it is unknown
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class Decoded:
    samples: FloatArray  # mono, 16 kHz
    start_s: float
    lost: list[tuple[float, float]]  # seconds of the recording that are zeros here: not finite, or not decodable
    beyond: bool = False  # the stream is far longer than `most_s`: the rest is the last of `lost`, not in `samples`

    @property
    def decoded_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    @property
    def end_s(self) -> float:
        """Where the span ends; after the last sample when `beyond`."""
        return self.lost[-1][1] if self.beyond else self.start_s + self.decoded_s


def probe(url: str) -> AudioInfo:
    """Reads headers (all packets where no header states a duration).  Raises InputError, UnsupportedFormat."""
    with open_stream(url) as stream:
        return AudioInfo(stream.duration_s, stream.rate, stream.channels)


def decode(url: str, start_s: float = 0.0, end_s: float | None = None, most_s: float = MOST_S) -> Decoded:
    """The span from `start_s` to `end_s`, or to the end of the recording, whichever is first.

    Samples that are not finite or not decodable are zeros, and listed in `lost`.  Where the header was wrong and the
    end is more than `most_s` away, the rest is measured, not kept, and counted as lost.
    Raises InputError where nothing at all can be decoded, UnsupportedFormat where no reader supports the format.
    """
    first, last = round(start_s * SAMPLE_RATE), None if end_s is None else round(end_s * SAMPLE_RATE)
    step = first // (_STEP_S * SAMPLE_RATE)
    pieces: list[FloatArray] = []
    lost: list[Span] = []
    beyond: int | None = None
    with open_stream(url) as stream:
        at = step * _STEP_S * SAMPLE_RATE
        for samples, gaps in _steps(stream, step):
            if last is not None and at >= last:
                break
            if last is None and at + len(samples) - first > most_s * SAMPLE_RATE:
                beyond = at if beyond is None else beyond
                at += len(samples)
                continue
            low, high = max(first - at, 0), len(samples) if last is None else min(last - at, len(samples))
            pieces.append(samples[low:high])
            lost += [(max(a, low) + at, min(b, high) + at) for a, b in gaps if a < high and b > low]
            at += len(samples)
    if not pieces and first == 0:
        raise InputError(f"{url}: no sound could be decoded; the file is damaged")
    lost += [] if beyond is None else [(beyond, at)]
    joined = np.concatenate([np.zeros(0, np.float32), *pieces])
    spans = [(a / SAMPLE_RATE, b / SAMPLE_RATE) for a, b in _merged(lost)]
    return Decoded(joined, first / SAMPLE_RATE, spans, beyond is not None)


def _steps(stream: Stream, step: int) -> Iterator[tuple[FloatArray, list[Span]]]:
    """Each step's samples at 16 kHz, and the lost spans in it; the last step is the remainder."""
    rate = stream.rate
    window = _Window(stream, max(step * _STEP_S - _MARGIN_S, 0) * rate)
    while True:
        begin, end = step * _STEP_S * rate, (step + 1) * _STEP_S * rate
        left = max(begin - _MARGIN_S * rate, 0)
        source, bad = window.read(left, end + _MARGIN_S * rate)
        core = min(left + len(source), end) - begin
        if core <= 0:
            return
        yield _converted(source, begin - left, core, rate), _spans_at_16k(bad[begin - left :][:core], rate)
        step += 1


def _converted(source: FloatArray, margin: int, core: int, rate: int) -> FloatArray:
    """The `core` samples after the margin, at 16 kHz."""
    if rate == SAMPLE_RATE:
        return source[margin : margin + core]
    converted = soxr.resample(source, rate, SAMPLE_RATE, quality="HQ")
    skip = margin * SAMPLE_RATE // rate
    part: FloatArray = converted[skip : skip + -(-core * SAMPLE_RATE // rate)]
    return part


class _Window:
    """Window on a stream: reads forward, and drops the samples before it."""

    def __init__(self, stream: Stream, first: int) -> None:
        self._blocks = stream.blocks(first)
        self._at = first
        self._samples = np.zeros(0, np.float32)
        self._bad = np.zeros(0, bool)

    def read(self, first: int, last: int) -> tuple[FloatArray, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
        """Samples [first, last) or up to the end, and which of them are lost; `first` never goes back."""
        samples, bad = [self._samples[first - self._at :]], [self._bad[first - self._at :]]
        have = len(samples[0])
        while first + have < last and (block := next(self._blocks, None)) is not None:
            clean, broken = _cleaned(block)
            samples.append(clean)
            bad.append(broken)
            have += len(clean)
        self._at, self._samples, self._bad = first, np.concatenate(samples), np.concatenate(bad)
        return self._samples[: last - first], self._bad[: last - first]


def _cleaned(block: Block) -> tuple[FloatArray, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    if block.lost:
        return block.samples, np.ones(len(block.samples), bool)
    bad = ~np.isfinite(block.samples)
    return np.where(bad, np.float32(0), block.samples), bad


def _spans_at_16k(bad: "np.ndarray[tuple[int], np.dtype[np.bool_]]", rate: int) -> list[Span]:
    if not bad.any():
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], bad, [False]]).astype(np.int8)))
    return [
        (int(a) * SAMPLE_RATE // rate, -(-int(b) * SAMPLE_RATE // rate))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]


def _merged(spans: list[Span]) -> list[Span]:
    """Sorted spans, with those that touch or overlap joined."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
