"""Small recordings in many formats, and the damage that archives do to them; a seed tells it all."""

import io
import struct
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import soundfile

from embed.audio.mp3_frames import header_at
from embed.encoder import FloatArray
from tests.embed.films import Track, film_bytes

Rng = np.random.Generator

# suffix: libsndfile's (format, subtype, rate, channels) or ffmpeg's (codec, rate, bits a second)
_SOUNDFILE = {
    "8.wav": ("WAV", "PCM_U8", 8_000, 1),
    "16.wav": ("WAV", "PCM_16", 16_000, 2),
    "24.wav": ("WAV", "PCM_24", 96_000, 1),
    "32.wav": ("WAV", "PCM_32", 11_025, 1),
    "float.wav": ("WAV", "FLOAT", 22_050, 1),
    "alaw.wav": ("WAV", "ALAW", 8_000, 1),
    "gsm.wav": ("WAV", "GSM610", 8_000, 1),
    "eight.wav": ("WAVEX", "PCM_16", 16_000, 8),
    "fast.wav": ("WAV", "PCM_16", 192_000, 1),
    "rf.wav": ("RF64", "PCM_16", 16_000, 1),
    "aiff": ("AIFF", "PCM_16", 44_100, 2),
    "gsm": ("RAW", "GSM610", 8_000, 1),
    "flac": ("FLAC", "PCM_16", 16_000, 1),
    "96.flac": ("FLAC", "PCM_24", 96_000, 2),
    "ogg": ("OGG", "VORBIS", 22_050, 1),
    "opus": ("OGG", "OPUS", 48_000, 1),
    "vbr.mp3": ("MP3", "MPEG_LAYER_III", 16_000, 1),
}
_FFMPEG = {
    "mp3": ("libmp3lame", 44_100, 64_000),
    "slow.mp3": ("libmp3lame", 8_000, 8_000),
    "mp2": ("mp2", 16_000, 64_000),
    "m4a": ("aac", 44_100, 64_000),
    "aac": ("aac", 16_000, 32_000),
    "webm": ("libopus", 48_000, 32_000),
    "mka": ("flac", 16_000, None),
    "g722": ("g722", 16_000, None),
    "caf": ("alac", 16_000, None),
}
_FILMS: dict[str, Callable[[FloatArray], bytes]] = {
    "late.mkv": lambda wave: film_bytes("a.mkv", Track(wave, "aac", start_s=4.087), picture="mpeg4", picture_s=20),
    "tracks.mp4": lambda wave: film_bytes("a.mp4", Track(0 * wave, "aac"), Track(wave, "aac")),
    "film.ts": lambda wave: film_bytes("a.ts", Track(wave, "mp2"), picture="mpeg2video", picture_s=13),
    "channels.mxf": lambda wave: film_bytes(
        "a.mxf", Track(wave, "pcm_s16le"), Track(wave, "pcm_s16le"), picture="mpeg2video", picture_s=13
    ),
}
KINDS = (*_SOUNDFILE, *_FFMPEG, *_FILMS)


def originals(wave: FloatArray) -> dict[str, bytes]:
    """One small file of each kind, of `wave` (mono, 16 kHz)."""
    made = {kind: by_soundfile(wave, *values) for kind, values in _SOUNDFILE.items()}
    made |= {kind: by_ffmpeg(wave, kind, *values) for kind, values in _FFMPEG.items()}
    return made | {kind: make(wave) for kind, make in _FILMS.items()}


def by_soundfile(wave: FloatArray, form: str, subtype: str, rate: int, channels: int) -> bytes:
    many = np.repeat(_at(wave, rate)[:, None], channels, axis=1)
    memory = io.BytesIO()
    with soundfile.SoundFile(memory, "w", rate, channels, subtype=subtype, format=form) as file:
        for start in range(0, len(many), rate):  # libsndfile's vorbis encoder crashes on much at once
            file.write(many[start : start + rate])
    return memory.getvalue()


def by_ffmpeg(wave: FloatArray, name: str, codec: str, rate: int, bits_per_s: int | None) -> bytes:
    memory = io.BytesIO()
    form = {"m4a": "mp4", "aac": "adts", "mka": "matroska"}.get(name, name.split(".")[-1])
    with av.open(memory, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "mono"
        if bits_per_s:
            stream.bit_rate = bits_per_s
        sound = (_at(wave, rate) * 32_767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        fifo = av.AudioFifo()
        for part in av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate).resample(frame):
            fifo.write(part)
        while (part := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return memory.getvalue()


def _at(wave: FloatArray, rate: int) -> FloatArray:
    """Crude, and enough: the damage is what matters."""
    places = np.arange(len(wave) * rate // 16_000) * 16_000 // rate
    return np.clip(wave[places], -0.95, 0.95)


class Mutant(NamedTuple):
    seed: int
    kind: str
    damage: str
    name: str  # of the file
    data: bytes

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.kind}, {self.damage} ({self.name}, {len(self.data)} bytes)"


def mutant(seed: int, made: Mapping[str, bytes]) -> Mutant:
    """The same for ever from the same seed and originals; every damage meets every kind in turn."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    damages = list(_DAMAGES)
    damage = damages[seed // len(KINDS) % len(damages)]
    data = _DAMAGES[damage](rng, made[kind], made)
    suffix = str(rng.choice(KINDS)) if damage == "wrong suffix" else kind
    return Mutant(seed, kind, damage, f"{seed:05d}.{suffix}", data)


def _truncated(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    return data[: int(rng.integers(1, len(data)))]


def _bit_flips(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    places = rng.integers(0, len(data), int(rng.choice([1, 10, 300])))
    changed[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
    return changed.tobytes()


def _header_flips(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    head = min(256, len(data))
    return _bit_flips(rng, data[:head], made) + data[head:]


def _zeroed(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    start, size = int(rng.integers(0, len(data))), int(rng.integers(1, len(data) // 2))
    return (data[:start] + bytes(size) + data[start + size :])[: len(data)]


def _noise_inside(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    start, size = int(rng.integers(0, len(data))), int(rng.integers(1, len(data) // 2))
    return (data[:start] + rng.bytes(size) + data[start + size :])[: len(data)]


def _lying_header(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    """Huge, negative or absurd numbers where sizes, rates, channels and durations are written."""
    value = int(rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1_000_000_000, 4_000_000_000, 65_535, 255]))
    order, width = str(rng.choice(["<", ">"])), int(rng.choice([2, 4, 8]))
    packed = struct.pack(f"{order}{'xxHxIxxxQ'[width]}", value & ((1 << 8 * width) - 1))
    at = int(rng.integers(4, max(min(len(data) - width, 120), 5)))
    return data[:at] + packed + data[at + width :]


def _huge_wave(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    """A wav header of one's own: any rate, any number of channels, any length."""
    rate = int(rng.choice([0, 1, 7, 8_000, 192_000, 384_000, 1_000_000_000, 0xFFFFFFFF]))
    channels, bits = int(rng.choice([0, 1, 8, 255, 1024, 65_535])), int(rng.choice([0, 8, 16, 32, 64, 65_535]))
    align = channels * bits // 8 & 0xFFFF
    form = struct.pack("<HHIIHH", int(rng.choice([1, 3, 6, 0x55, 0xFFFE])), channels, rate, rate, align, bits)
    size = int(rng.choice([0, 2000, 0x7FFFFFFF, 0xFFFFFFFF]))
    return b"RIFF" + struct.pack("<I", size) + b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", size) + data


def _not_finite(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    wave = rng.standard_normal(30_000).astype(np.float32) * 0.1
    wave[rng.integers(0, len(wave), 500)] = rng.choice([np.nan, np.inf, -np.inf, 1e38, -3e38], 500)
    memory = io.BytesIO()
    soundfile.write(memory, wave, 16_000, format="WAV", subtype="FLOAT")
    return memory.getvalue()


def _joined(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    return data + (data if rng.random() < 0.5 else made[str(rng.choice(KINDS))])


def _tagged(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    """An ID3 tag before it, which may lie about its size, and one behind."""
    size = int(rng.choice([0, 100, 0x0FFFFFFF]))
    lengths = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + lengths + bytes(100) + data + b"TAG" + bytes(125)


def _unclosed(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    """As its recorder left it when it was killed: a wav whose sizes are zero."""
    if data[:4] not in (b"RIFF", b"RF64"):
        return data
    at = data.index(b"data")
    return data[:4] + bytes(4) + data[8 : at + 4] + bytes(4) + data[at + 8 :]


def _two_rates(rng: Rng, data: bytes, made: Mapping[str, bytes]) -> bytes:
    """Another recording of the same format and another rate behind it, and a tag between where these are usual."""
    if data[:4] in (b"RIFF", b"RF64", b"fLaC"):
        return data + made["96.flac" if data[:4] == b"fLaC" else "fast.wav"]
    return data + b"TAG" + bytes(125) + made["slow.mp3"] if data[:3] == b"ID3" or header_at(data, 0) else data


_DAMAGES: dict[str, Callable[[Rng, bytes, Mapping[str, bytes]], bytes]] = {
    "truncated": _truncated,
    "bit flips": _bit_flips,
    "flips in the header": _header_flips,
    "zeroed stretch": _zeroed,
    "noise inside": _noise_inside,
    "lying header": _lying_header,
    "wrong suffix": lambda rng, data, made: data,
    "0 bytes": lambda rng, data, made: b"",
    "few bytes": lambda rng, data, made: data[: int(rng.integers(1, 64))],
    "header alone": lambda rng, data, made: data[: int(rng.integers(20, 1000))],
    "random behind its header": lambda rng, data, made: data[:100] + rng.bytes(len(data) - 100),
    "random bytes": lambda rng, data, made: rng.bytes(int(rng.integers(1, 50_000))),
    "huge wave": _huge_wave,
    "not finite": _not_finite,
    "joined": _joined,
    "tagged": _tagged,
    "beginning missing": lambda rng, data, made: data[int(rng.integers(1, len(data))) :],
    "sound": lambda rng, data, made: data,
    "unclosed": _unclosed,
    "two rates": _two_rates,
}
WHOLE = ("sound", "unclosed", "two rates")  # all sound is there and must be found


def write(one: Mutant, folder: Path) -> Path:
    path = folder / one.name
    path.write_bytes(one.data)
    return path
