"""Decoded frames of ffmpeg as float32 arrays at one rate, also where the rate or the channels change on the way."""

from collections.abc import Iterator
from typing import Any

import av
import numpy as np

from embed.audio.stream import MOST_CHANNELS, check_claims, frames_of
from embed.encoder import FloatArray
from embed.errors import UnsupportedFormat


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
            self._kind, self._resampler = kind, av.AudioResampler(format="flt", rate=self._rate)
        frame.pts = None
        yield from self._arrays(frame)

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

    def add(self, at: int, sound: Any) -> Iterator[tuple[int, FloatArray]]:
        """Add a frame, or samples that are converted already; places and samples of what is complete now."""
        if isinstance(sound, np.ndarray):
            yield from self.taken()
            yield at, sound
            return
        sound.pts = None
        channels = sound.layout.nb_channels
        if channels != self._channels:  # which the queue does not check: it would read beyond its memory
            yield from self._renewed()
            self._channels = channels
        try:
            self._queue.write(sound)
        except ValueError:  # another format, or rate
            yield from self._renewed()
            self._queue.write(sound)
        if self._queue.samples == sound.samples:
            self._at = at
        if self._queue.samples >= self._most:
            yield from self.taken()

    def taken(self) -> Iterator[tuple[int, FloatArray]]:
        """Place and samples of the frames so far."""
        if self._queue.samples:
            for samples in map(frames_of, self._frames(self._queue.read())):
                yield self._at, samples
                self._at += len(samples)

    def _renewed(self) -> Iterator[tuple[int, FloatArray]]:
        yield from self.taken()
        self._queue = av.AudioFifo()


def has_sound(frame: Any) -> bool:
    """Whether a frame has as many channels as sound can have."""
    channels: int = frame.layout.nb_channels
    return 1 <= channels <= MOST_CHANNELS


def length(sound: Any) -> int:
    """Samples of one channel, of a frame or of samples."""
    return len(sound) if isinstance(sound, np.ndarray) else sound.samples
