"""Programme whose channels are tracks of their own (MXF, MOV): blocks of each in turn become blocks of all channels."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from embed.audio.mix import mean_of
from embed.audio.stream import Block
from embed.encoder import FloatArray

_LAG_S = 30  # a track that is so far behind the others has ended


def channels_together(blocks: Iterator[tuple[int, Block]], num: int, rate: int) -> Iterator[Block]:
    """Blocks [N, num] of tracks that begin at the same place; lost is only what all of them have lost."""
    tracks = [_Track() for _ in range(num)]
    at = 0
    for number, block in blocks:
        tracks[number].add(block)
        ends = [track.end for track in tracks]
        until = max(min(ends), max(ends) - _LAG_S * rate)
        if until - at >= rate:
            yield from _taken(tracks, until)
            at = until
    yield from _taken(tracks, max(track.end for track in tracks))


def _taken(tracks: Sequence["_Track"], until: int) -> Iterator[Block]:
    samples, lost = zip(*(track.take(until) for track in tracks), strict=True)
    frames_NC, none_left = np.stack(samples, axis=1), np.stack(lost).all(axis=0)
    edges = np.flatnonzero(np.diff(none_left.astype(np.int8))) + 1
    parts = zip(np.split(frames_NC, edges), np.split(none_left, edges), strict=True)
    yield from (Block(part, bool(gone[0])) for part, gone in parts if len(part))


class _Track:
    """The samples of one track that are not passed on yet."""

    def __init__(self) -> None:
        self.end = 0  # samples added
        self._at = 0  # samples taken
        self._samples: list[FloatArray] = []
        self._lost: list[NDArray[np.bool_]] = []

    def add(self, block: Block) -> None:
        late = max(self._at - self.end, 0)  # the other tracks were passed on without these
        samples = mean_of(block.samples)[late:]
        self.end += len(block.samples)
        self._samples.append(samples)
        self._lost.append(np.full(len(samples), block.lost))

    def take(self, until: int) -> tuple[FloatArray, NDArray[np.bool_]]:
        """The samples up to `until`, and which are lost; silence where the track has ended."""
        num = until - self._at
        samples = np.concatenate([np.zeros(0, np.float32), *self._samples])
        lost = np.concatenate([np.zeros(0, bool), *self._lost])
        self._at, self._samples, self._lost = until, [samples[num:]], [lost[num:]]
        missing = (0, max(num - len(samples), 0))
        return np.pad(samples[:num], missing), np.pad(lost[:num], missing)
