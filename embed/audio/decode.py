"""Decoder of recordings: float32 mono at 16 kHz, from any place, in bounded memory.

A span has the same samples wherever decoding began: rates are converted and channels mixed in fixed steps of the
recording, never from the requested place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embed.audio.containers import open_stream
from embed.audio.ffmpeg.tags import tags_of
from embed.audio.steps import STEP_S, Span, steps
from embed.audio.stream import Watched
from embed.audio.table_sounds import open_recording
from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError

MOST_S = 3600.0  # 230 MB of samples, and twice that while they are joined


@dataclass(frozen=True)
class AudioInfo:
    duration_s: float | None  # from the header, or as counted; None where it is unknown
    sample_rate: int
    channels: int
    stated_s: float | None = None  # the duration, where sound that ends earlier is damaged
    tracks: list[int] | None = None  # the sound tracks that were chosen, from 0; None where there is one


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


def probe(url: str, tracks: Sequence[int] | None = None) -> AudioInfo:
    """Reads headers (all packets where no header states a duration).  Raises InputError, UnsupportedFormat."""
    with open_stream(url, tracks) as stream:
        duration_s = stream.duration_s
        stated_s = None if stream.estimated else duration_s
        return AudioInfo(duration_s, stream.rate, stream.channels, stated_s, stream.tracks)


def tags(url: str, tracks: Sequence[int] | None = None) -> dict[str, str]:
    """The tags of a recording under plain names, as `embed.audio.ffmpeg.tags` has them; none where it has none."""
    with open_recording(url) as file:
        return tags_of(Watched(file), url, tracks[0] if tracks else 0)


def decode(
    url: str,
    start_s: float = 0.0,
    end_s: float | None = None,
    most_s: float = MOST_S,
    tracks: Sequence[int] | None = None,
) -> Decoded:
    """The span from `start_s` to `end_s`, or to the end of the recording, whichever is first.

    `tracks` are sound tracks, counted from 0, that are mixed; by default they are chosen as `probe` chooses them.
    Samples that are not finite or not decodable are zeros, and listed in `lost`.  Where the header was wrong and the
    end is more than `most_s` away, the rest is measured, not kept, and counted as lost.
    Raises InputError where nothing at all can be decoded, UnsupportedFormat where no reader supports the format.
    """
    first, last = round(start_s * SAMPLE_RATE), None if end_s is None else round(end_s * SAMPLE_RATE)
    step = first // (STEP_S * SAMPLE_RATE)
    pieces: list[FloatArray] = []
    lost: list[Span] = []
    beyond: int | None = None
    with open_stream(url, tracks) as stream:
        at = step * STEP_S * SAMPLE_RATE
        for samples, gaps in steps(stream, step):
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


def _merged(spans: list[Span]) -> list[Span]:
    """Sorted spans, with those that touch or overlap joined."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
