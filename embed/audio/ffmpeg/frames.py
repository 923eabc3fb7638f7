"""Decoded frames of ffmpeg as float32 arrays at one rate, also where the rate or the channels change on the way."""

from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np

from embed.audio.stream import MOST_CHANNELS, check_claims, frames_of
from embed.encoder import FloatArray
from embed.errors import UnsupportedFormat

_PLANES = 2  # channels, each in an array of its own, that need no conversion; more take numpy's other order of adding
Placed = tuple[int, FloatArray]  # place of the first sample, and samples


class Frames:
    """Conversion of the frames of one track: `frames(frame)` gives arrays [C, N] at `rate`, in order.

    A part with another rate is converted by itself, from its first sample to its last.  Frames that no sound has are
    dropped.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._kind: tuple[str, str, int] | None = None
        self._resampler: Any = None

    def __call__(self, frame: Any) -> Iterator[FloatArray]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self.rest()
            try:
                check_claims("", frame.sample_rate, frame.layout.nb_channels)
            except UnsupportedFormat:
                return
            if kind[0] == "fltp" and kind[2] == self._rate and frame.layout.nb_channels <= _PLANES:
                yield frame.to_ndarray()
                return
            self._kind, self._resampler = kind, av.AudioResampler(format="flt", rate=self._rate)
        frame.pts = None
        yield from self._arrays(frame)

    @property
    def has_rest(self) -> bool:
        return self._resampler is not None

    def rest(self) -> Iterator[FloatArray]:
        """The last samples of a part, which the conversion of its rate still holds."""
        if self._resampler is not None:
            yield from self._arrays(None)
        self._kind = self._resampler = None

    def _arrays(self, frame: Any) -> Iterator[FloatArray]:
        try:
            parts = self._resampler.resample(frame)
        except (av.FFmpegError, ValueError):
            return
        for part in parts:
            if part is not None:
                # Not planar: av reads beyond its memory where there are more than eight planes.
                yield part.to_ndarray().reshape(part.samples, -1).T


class Run:
    """Sound of one track without a gap: frames at `rate` are converted together, up to `most` samples at a time.

    Handling a frame costs more than decoding it.
    """

    def __init__(self, rate: int, most: int) -> None:
        self._frames, self._most = Frames(rate), most
        self._queue, self._channels, self._at = av.AudioFifo(), 0, 0

    def add(self, at: int, sound: Any) -> Sequence[Placed]:
        """Add a frame, or samples that are converted already; what is complete now: mostly nothing."""
        if isinstance(sound, np.ndarray):
            return [*self.taken(), (at, sound)]
        found: Sequence[Placed] = ()
        sound.pts = None
        channels = sound.layout.nb_channels
        if channels != self._channels:  # which the queue does not check: it would read beyond its memory
            found = self._renewed()
            self._channels = channels
        try:
            self._queue.write(sound)
        except ValueError:  # another format, or rate
            found = [*found, *self._renewed()]
            self._queue.write(sound)
        waiting = self._queue.samples
        if waiting == sound.samples:
            self._at = at
        return [*found, *self.taken()] if waiting >= self._most else found

    def taken(self) -> list[Placed]:
        """Places and samples of the frames so far."""
        if not self._queue.samples:
            return []
        found = list[Placed]()
        for samples in map(frames_of, self._frames(self._queue.read())):
            found.append((self._at, samples))
            self._at += len(samples)
        return found

    def _renewed(self) -> list[Placed]:
        found = self.taken()
        self._queue = av.AudioFifo()
        return found


def has_sound(frame: Any) -> bool:
    """Whether a frame has as many channels as sound can have."""
    channels: int = frame.layout.nb_channels
    return 1 <= channels <= MOST_CHANNELS


def length(sound: Any) -> int:
    """Samples of one channel, of a frame or of samples."""
    return len(sound) if isinstance(sound, np.ndarray) else sound.samples
