"""Recordings of any length, made in seconds: one minute is encoded, and its packets are written again and again."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import soundfile

from embed.encoder import SAMPLE_RATE, FloatArray
from evaluate.bench.embed.samples import waves

KINDS = ("mp3", "variable.mp3", "ogg")
BIT_RATE = 32_000  # of the constant kind


@contextmanager
def long_recording(kind: str, hours: int) -> Iterator[Path]:
    """A file of one of KINDS in a temporary folder, deleted at the end."""
    with TemporaryDirectory(prefix="deglu-long-") as folder:
        path = Path(folder) / f"{hours}h.{kind}"
        write_long(path, kind, hours * 60)
        yield path


def write_long(path: Path, kind: str, minutes: int) -> None:
    with av.open(io.BytesIO(_encoded(_minute(), kind))) as source, av.open(str(path), "w") as target:
        stream = source.streams.audio[0]
        copy = target.add_stream_from_template(stream)
        packets = [(_plain(packet, copy), packet.pts) for packet in source.demux(stream) if packet.size]
        # The first packet of an ogg only opens the overlap; later minutes overlap with the one before.
        opening = 1 if kind == "ogg" else 0
        last, ends = packets[-1]
        base, length = last.time_base, ends + last.duration - packets[opening][1]
        for minute in range(minutes):
            for packet, pts in packets[opening if minute else 0 :]:
                packet.time_base = base  # the muxer sets its own after each write
                packet.pts = packet.dts = pts + minute * length
                target.mux(packet)


def _plain(packet: av.Packet, stream: "av.AudioStream") -> av.Packet:
    """The packet without side data: repeated headers would start a chain."""
    plain = av.Packet(bytes(packet))
    plain.stream, plain.time_base, plain.duration = stream, packet.time_base, packet.duration
    return plain


def _minute() -> FloatArray:
    """Speech and pauses."""
    spoken, _ = waves(8)
    hush = (0.001 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE)).astype(np.float32)
    joined = np.concatenate([part for wave in spoken for part in (wave, hush)])
    return np.clip(np.resize(joined, 60 * SAMPLE_RATE), -0.95, 0.95)


def _encoded(wave: FloatArray, kind: str) -> bytes:
    memory = io.BytesIO()
    if kind == "mp3":
        _constant(memory, wave)
        return memory.getvalue()
    form = {"variable.mp3": "MP3", "ogg": "OGG"}[kind]
    with soundfile.SoundFile(memory, "w", SAMPLE_RATE, 1, format=form) as file:
        for start in range(0, len(wave), SAMPLE_RATE):  # libsndfile's vorbis encoder crashes on long input
            file.write(wave[start : start + SAMPLE_RATE])
    return memory.getvalue()


def _constant(memory: io.BytesIO, wave: FloatArray) -> None:
    with av.open(memory, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE)
        stream.layout, stream.bit_rate = "mono", BIT_RATE
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 0
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (part := fifo.read(stream.codec_context.frame_size, partial=True)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
