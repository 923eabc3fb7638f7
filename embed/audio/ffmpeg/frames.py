"""Decoded frames of ffmpeg as float32 arrays at one rate, also where the rate or the channels change on the way."""

from collections.abc import Iterator
from typing import Any

import av

from embed.audio.stream import check_claims
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
