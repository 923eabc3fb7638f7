"""Clips: a stretch of a recording as a small file of its own, and the peaks of its waveform.

Both are made from the samples that were embedded, mono at 16 kHz, so a clip begins at the same sample whatever the
container of the recording is.
"""

import io
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import numpy as np
import soundfile

from embed.audio.decode import decode
from embed.audio.questions import question_samples
from embed.encoder import SAMPLE_RATE, FloatArray
from embed.errors import InputError

OPUS_BITS = 32_000  # a second; speech is clear at half of it


def clip(
    url: str, start_s: float, end_s: float, kind: Literal["wav", "webm"], tracks: Sequence[int] | None = None
) -> bytes:
    """The stretch as WAV (16 bits) or as WebM (Opus), shorter where the recording ends.

    Raises InputError where nothing of it can be decoded.
    """
    samples = _samples(url, start_s, end_s, tracks)
    file = io.BytesIO()
    if kind == "wav":
        soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    else:
        _write_opus(file, samples)
    return file.getvalue()


def peaks(url: str, start_s: float, end_s: float, count: int, tracks: Sequence[int] | None = None) -> list[float]:
    """The loudest absolute sample, 0 to 1, of each of `count` equal parts of the stretch."""
    samples = np.abs(_samples(url, start_s, end_s, tracks))
    edges = np.linspace(0, len(samples), count + 1).astype(np.int64)
    parts = [samples[low : max(high, low + 1)] for low, high in pairwise(edges)]
    return [min(1.0, float(part.max(initial=0.0))) for part in parts]


def uploaded_question(data: bytes, longest_s: float) -> FloatArray:
    """The samples [n] at 16 kHz of a file that is in memory.  Raises InputError as `question_samples` does.

    Decoders need a file: it is in a private folder, under a name of our own, and gone at the end.
    """
    with tempfile.TemporaryDirectory(prefix="deglu-question-") as folder:
        path = Path(folder) / "audio"
        path.write_bytes(data)
        try:
            return question_samples(str(path), longest_s)
        except InputError as error:
            raise type(error)(str(error).replace(str(path), "audio")) from None


def _samples(url: str, start_s: float, end_s: float, tracks: Sequence[int] | None) -> FloatArray:
    samples = decode(url, start_s, end_s, tracks=tracks).samples
    if not len(samples):
        raise InputError(f"{url}: has no sound from {start_s:.1f} s to {end_s:.1f} s")
    return samples


def _write_opus(file: io.BytesIO, samples: FloatArray) -> None:
    with av.open(file, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = OPUS_BITS
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
