"""Chain of recordings in one file, played one after the other: `cat a.mp3 b.mp3`, whose rates may differ.

Each part is converted to 16 kHz for itself, in its own steps, so a span has the same samples wherever decoding began.
"""

from collections.abc import Iterator, Sequence

from embed.audio.steps import STEP_S, Step, steps
from embed.audio.stream import Block, Stream, lost_blocks
from embed.encoder import SAMPLE_RATE

_ROUNDING_S = 0.5  # of a duration in a header; a part that ends earlier by more is damaged


class Chain(Stream):
    """`embed.audio.stream.Stream` of parts; each but the last must know its duration."""

    def __init__(self, parts: Sequence[Stream]) -> None:
        self._parts = parts
        self.rate, self.channels, self.tracks = SAMPLE_RATE, parts[0].channels, parts[0].tracks
        self.estimated = any(part.estimated for part in parts)
        self._lengths = [_length(part) for part in parts]

    @property
    def duration_s(self) -> float | None:
        return sum(self._lengths) / SAMPLE_RATE

    def blocks(self, first: int) -> Iterator[Block]:
        begin = 0
        for number, (part, length) in enumerate(zip(self._parts, self._lengths, strict=True)):
            end = begin + length
            if first < end:
                yield from self._of(part, first - begin, None if number == len(self._parts) - 1 else length)
                first = end
            begin = end

    def _of(self, part: Stream, first: int, length: int | None) -> Iterator[Block]:
        """Blocks of a part, from its sample `first`; lost ones up to `length` where it ends before."""
        size = STEP_S * SAMPLE_RATE
        at = first // size * size
        for step in steps(part, first // size):
            for block in _blocks(step):
                samples = block.samples[max(first - at, 0) :]
                samples = samples if length is None else samples[: max(length - max(at, first), 0)]
                at += len(block.samples)
                if len(samples):
                    yield Block(samples, block.lost)
        if length is not None:
            is_lost = not part.estimated and length - at > _ROUNDING_S * SAMPLE_RATE
            yield from lost_blocks(first, at, length, SAMPLE_RATE, is_lost)


class Unreadable(Stream):
    """A part that no reader can decode: all of it is lost."""

    def __init__(self, duration_s: float) -> None:
        self.rate, self.channels = SAMPLE_RATE, 1
        self._length = round(duration_s * SAMPLE_RATE)

    @property
    def duration_s(self) -> float | None:
        return self._length / SAMPLE_RATE

    def blocks(self, first: int) -> Iterator[Block]:
        yield from lost_blocks(first, first, self._length, SAMPLE_RATE)


def _blocks(step: Step) -> Iterator[Block]:
    """A step's sound and its lost spans, in turn."""
    at = 0
    for start, end in step.lost:
        if start > at:
            yield Block(step.samples[at:start])
        yield Block(step.samples[max(start, at) : end], lost=True)
        at = max(end, at)
    yield Block(step.samples[at:])


def _length(part: Stream) -> int:
    """Samples at 16 kHz, as the resampler rounds."""
    return int(round((part.duration_s or 0.0) * part.rate) * SAMPLE_RATE / part.rate + 0.5)
