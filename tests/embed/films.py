"""Small films: containers with a picture and one or several sound tracks, which begin where a test wants."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import av
import numpy as np
from av.stream import Disposition

from embed.encoder import SAMPLE_RATE, FloatArray

FRAMES_PER_S = 10


class Track(NamedTuple):
    """A sound track; `wave` is mono at 16 kHz, or [C, N]."""

    wave: FloatArray
    codec: str
    rate: int = 48_000
    start_s: float = 0.0
    default: bool = False
    lang: str | None = None


def film(
    path: Path,
    *tracks: Track,
    picture: str | None = None,
    picture_s: float = 0.0,
    form: str | None = None,
    options: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Path:
    """Writes the tracks, and a picture by the codec `picture` where there is one; returns the path.

    `title` is that of the last track.
    """
    with av.open(str(path), "w", format=form, options=dict(options or {})) as container:
        streams = [] if picture is None else [_picture(container, picture)]
        streams += [_sound(container, track) for track in tracks]
        if title:
            streams[-1].metadata["title"] = title
        packets = [] if picture is None else list(_pictures(streams[0], picture_s))
        for stream, track in zip(streams[picture is not None :], tracks, strict=True):
            packets += _sounds(stream, track)
        container.start_encoding()
        for packet in sorted(packets, key=lambda one: float((one.dts or 0) * one.time_base)):
            container.mux(packet)
    return path


def film_bytes(name: str, *tracks: Track, **given: Any) -> bytes:
    """The bytes of a film."""
    with TemporaryDirectory() as folder:
        return film(Path(folder) / name, *tracks, **given).read_bytes()


def joined(path: Path, *parts: Path) -> Path:
    """The files one after the other, as `cat` writes them."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def _picture(container: Any, codec: str) -> Any:
    stream = container.add_stream(codec, rate=FRAMES_PER_S if codec != "mpeg2video" else 25)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    return stream


def _sound(container: Any, track: Track) -> Any:
    stream = container.add_stream(track.codec, rate=track.rate)
    stream.layout = "mono" if track.wave.ndim == 1 else "stereo"
    if track.codec == "wmav2":
        stream.bit_rate = 64_000
    stream.disposition = Disposition.default if track.default else 0
    if track.lang:
        stream.metadata["language"] = track.lang
    return stream


def _pictures(stream: Any, seconds: float) -> Iterator[Any]:
    rate = stream.codec_context.framerate
    for number in range(round(seconds * rate)):
        frame = av.VideoFrame.from_ndarray(np.full((96, 64), number % 200, np.uint8), format="yuv420p")
        frame.pts, frame.time_base = number, 1 / rate
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _sounds(stream: Any, track: Track) -> Iterator[Any]:
    wave = np.atleast_2d(track.wave)
    places = np.arange(wave.shape[1] * track.rate // SAMPLE_RATE) * SAMPLE_RATE // track.rate
    sound = np.ascontiguousarray(np.clip(wave[:, places], -0.95, 0.95).astype(np.float32))
    frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout=stream.layout.name)
    frame.sample_rate, frame.time_base, frame.pts = track.rate, Fraction(1, track.rate), 0
    start = round(track.start_s * track.rate)
    fifo = av.AudioFifo()
    for part in av.AudioResampler(format=stream.codec_context.format, rate=track.rate).resample(frame):
        fifo.write(part)
    while (part := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
        part.pts = (part.pts or 0) + start
        yield from stream.encode(part)
    yield from stream.encode(None)
