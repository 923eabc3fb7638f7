"""Recordings with tags and chapters, written by PyAV, and tags that only old or careless programs write, by hand."""

import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

from embed.encoder import SAMPLE_RATE, FloatArray

CODECS = {
    "mp3": "libmp3lame", "flac": "flac", "opus": "libopus", "ogg": "libopus", "m4a": "aac", "mov": "aac", "mka": "aac",
    "webm": "libopus", "wav": "pcm_s16le", "caf": "pcm_s16le",
}  # fmt: skip
RATE = 48_000


def write_tagged(
    path: Path, tags: Mapping[str, str], chapters: Mapping[float, str] | None = None, wave: FloatArray | None = None
) -> Path:
    """Two seconds of a tone, or a wave at 16 kHz; chapters are titles by their start in seconds."""
    samples = np.sin(np.arange(2 * RATE, dtype=np.float32) * 0.05) * 0.3 if wave is None else np.repeat(wave, 3)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(CODECS[path.suffix[1:]], rate=RATE)
        stream.layout = "mono"
        container.metadata.update(tags)
        if chapters:
            container.set_chapters(list(_chapters(chapters, len(samples) / RATE)))
        resampler = av.AudioResampler(stream.format, "mono", RATE)
        frame = av.AudioFrame.from_ndarray(samples.astype(np.float32)[None], "fltp", "mono")
        frame.sample_rate = RATE
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def _chapters(titles: Mapping[float, str], end_s: float) -> Any:
    starts = [*titles, end_s]
    for number, (start_s, title) in enumerate(titles.items()):
        yield {
            "id": number,
            "start": round(1000 * start_s),
            "end": round(1000 * starts[number + 1]),
            "time_base": Fraction(1, 1000),
            "metadata": {"title": title},
        }


def write_id3v1(path: Path, title: bytes) -> Path:
    """An mp3 with the 128 bytes at its end alone."""
    soundfile.write(path, np.zeros(SAMPLE_RATE), SAMPLE_RATE, format="MP3")
    fields = [title[:30].ljust(30, b"\0"), b"Awa".ljust(30, b"\0"), bytes(30), b"2001", bytes(30)]
    path.write_bytes(path.read_bytes() + b"TAG" + b"".join(fields) + b"\x0c")
    return path


def write_riff(path: Path, chunks: Mapping[bytes, bytes]) -> Path:
    """A wav with more chunks after its sound."""
    soundfile.write(path, np.full(SAMPLE_RATE, 0.1), SAMPLE_RATE, subtype="PCM_16")
    data = path.read_bytes()
    for name, content in chunks.items():
        content += bytes(len(content) % 2)
        data += name + struct.pack("<I", len(content)) + content
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path


def info_list(**fields: bytes) -> bytes:
    """Content of a LIST chunk with fields of INFO."""
    parts = (name.encode() + struct.pack("<I", len(text) + 1) + text + bytes(1 + (len(text) + 1) % 2)
             for name, text in fields.items())  # fmt: skip
    return b"INFO" + b"".join(parts)


def bext(description: bytes, originator: bytes, date: bytes) -> bytes:
    """Content of a bext chunk of EBU's Broadcast Wave Format."""
    head = description.ljust(256, b"\0") + originator.ljust(32, b"\0") + bytes(32) + date.ljust(10, b"\0")
    return head + b"12:00:00" + bytes(8 + 2 + 64 + 190)
