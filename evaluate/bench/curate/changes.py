"""Changes of a sound between its broadcasts: codecs, levels, sampling rates, speed, speech above it."""

import io
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import soxr

from embed.encoder import SAMPLE_RATE, FloatArray

Change = Callable[[FloatArray, FloatArray, np.random.Generator], FloatArray]  # sound, speech of its length, chance
CODECS = {"mp3": ("mp3", "libmp3lame", "fltp", SAMPLE_RATE), "opus": ("ogg", "libopus", "flt", SAMPLE_RATE)}
LOUDER = 10 ** (6 / 20)


def coded(sound: FloatArray, codec: str, bit_rate: int) -> FloatArray:
    """Encoded and decoded again; some milliseconds later, as codecs do."""
    form, name, layout, rate = CODECS[codec]
    memory = io.BytesIO()
    with av.open(memory, "w", format=form) as container:
        stream = container.add_stream(name, rate=rate)
        stream.layout, stream.bit_rate = "mono", bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None], np.float32), format=layout, layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (part := fifo.read(stream.codec_context.frame_size or 960, partial=True)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    memory.seek(0)
    with av.open(memory) as container:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        parts = [one.to_ndarray()[0] for frame in container.decode(audio=0) for one in resampler.resample(frame)]
        parts += [one.to_ndarray()[0] for one in resampler.resample(None)]
    return np.concatenate(parts)


def played(sound: FloatArray, speed: float) -> FloatArray:
    """Faster by `speed`, and higher."""
    return np.asarray(soxr.resample(sound, SAMPLE_RATE * speed, SAMPLE_RATE), np.float32)


def rms(sound: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) or 1e-9


def under(sound: FloatArray, speech: FloatArray, louder: float) -> FloatArray:
    """With speech that has `louder` times its level."""
    return sound + speech * np.float32(louder * rms(sound) / rms(speech))


def _narrow(sound: FloatArray) -> FloatArray:
    return np.asarray(soxr.resample(soxr.resample(sound, SAMPLE_RATE, 8_000), 8_000, SAMPLE_RATE), np.float32)


def _part(sound: FloatArray, seconds: float, rng: np.random.Generator) -> FloatArray:
    length = round(seconds * SAMPLE_RATE)
    begin = int(rng.integers(0, max(len(sound) - length, 0) + 1))
    return sound[begin : begin + length]


CHANGES: dict[str, Change] = {
    "mp3 at 16 kbit/s": lambda sound, speech, rng: coded(sound, "mp3", 16_000),
    "opus at 12 kbit/s": lambda sound, speech, rng: coded(sound, "opus", 12_000),
    "shifted by a part of a frame": lambda sound, speech, rng: np.pad(sound, (int(rng.integers(1, 4_000)), 0)),
    "louder by 12 dB, clipped": lambda sound, speech, rng: np.clip(4 * sound, -1, 1),
    "at 8 kHz": lambda sound, speech, rng: _narrow(sound),
    "faster or slower by up to 2 %": lambda sound, speech, rng: played(sound, float(rng.uniform(0.98, 1.02))),
    "3 s of it": lambda sound, speech, rng: _part(sound, 3.0, rng),
    "under speech 6 dB below it": lambda sound, speech, rng: under(sound, speech, 1 / LOUDER),
    "under speech 6 dB above it": lambda sound, speech, rng: under(sound, speech, LOUDER),
}
UNDER_SPEECH = tuple(name for name in CHANGES if name.startswith("under"))
