"""Sound in front of the encoder: decoding and speech detection on one thread, as a multiple of real time.

Ten minutes of stereo speech in each container, made of recorded prompts.  An encoder on a GPU takes thousands of
seconds of sound a second, so sixteen cores must prepare some 300 each; the last row is that way as a whole, from the
file to the batch of an encoder that costs nothing.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import soundfile
import soxr

from embed.archive.manifest import list_assets
from embed.audio.decode import decode
from embed.encoder import SAMPLE_RATE, Batch, Fingerprints, FloatArray, Role
from embed.segmentation.rules import Cutting
from embed.segmentation.tokens import words_of
from embed.segmentation.units import plan_units
from embed.segmentation.vad import speech_probabilities
from embed.spec import EmbedSpec
from embed.stages import EncodeUnits, cut_stage
from evaluate.bench.embed.samples import waves
from evaluate.bench.embed.text import E5
from evaluate.bench.shape import Row
from evaluate.bench.timing import interleaved

MINUTES, ROUNDS = 10, 3
GOALS = {"wav": 350, "flac": 350, "mp3": 350, "ogg": 250, "opus": 250, "m4a": None}  # times real time, of both
STARVED = "mp3"
UNIT = "s of sound/cpu-s"
PAUSE_S, NOISE = 0.6, 0.0005
_BY_FFMPEG = {"mp3": ("libmp3lame", 128_000), "m4a": ("aac", 128_000)}
_BY_SOUNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}


class FreeEncoder:
    """An `Encoder` that costs nothing: every vector is the first axis."""

    dims = (384,)
    fingerprints = Fingerprints("free", "free")

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        return np.tile(np.eye(1, self.dims[0], dtype=np.float32), (len(batch), 1))


def cut_rows(minutes: float = MINUTES) -> list[Row]:
    """Rows for each container, then for the way of a unit to a free encoder."""
    with TemporaryDirectory(prefix="deglu-cut-") as folder:
        paths = recordings(Path(folder), minutes)
        found = [row for kind, path in paths.items() for row in _rows(kind, path, minutes)]
        return [*found, _starved(paths[STARVED], minutes)]


def recordings(folder: Path, minutes: float) -> dict[str, Path]:
    """The same stereo speech in each container."""
    at_44, at_48 = (stereo(minutes, rate) for rate in (44_100, 48_000))
    paths = {kind: folder / kind / f"speech.{kind}" for kind in GOALS}
    for kind, path in paths.items():
        path.parent.mkdir()
        rate, sound_2N = (48_000, at_48) if kind == "opus" else (44_100, at_44)
        write = write_by_ffmpeg if kind in _BY_FFMPEG else write_by_soundfile
        write(path, kind, sound_2N, rate)
    return paths


def stereo(minutes: float, rate: int) -> FloatArray:
    """[2, N]: prompts and pauses, later and softer in the second channel, with some noise in both."""
    spoken, _ = waves(400)
    pause = np.zeros(int(PAUSE_S * SAMPLE_RATE), np.float32)
    one = np.resize(
        np.concatenate([part for wave in spoken for part in (wave, pause)]), int(minutes * 60 * SAMPLE_RATE)
    )
    one = soxr.resample(one, SAMPLE_RATE, rate)
    noise = np.random.default_rng(0).standard_normal((2, len(one)), dtype=np.float32)
    both: FloatArray = np.clip(np.stack([one, 0.8 * np.roll(one, 20)]) + NOISE * noise, -0.95, 0.95)
    return both.astype(np.float32)


def _rows(kind: str, path: Path, minutes: float) -> Iterator[Row]:
    sound = decode(str(path)).samples
    ways: dict[str, Callable[[], object]] = {
        "decoded to 16 kHz": lambda: decode(str(path)),
        "speech detected": lambda: speech_probabilities(sound),
    }
    spent = interleaved(ways, ROUNDS)
    what, seconds = f"{minutes:g} min of stereo {kind}", minutes * 60
    goal = GOALS[kind]
    yield Row(f"{what}, decoded and speech detected", "real time", seconds / sum(spent.values()), 1.0, UNIT, goal)
    yield from (Row(f"{what}, {way}", "real time", seconds / cpu_s, 1.0, UNIT) for way, cpu_s in spent.items())


def _starved(path: Path, minutes: float) -> Row:
    """One row for probing, decoding, detection, cutting and batches, with an encoder that costs nothing."""
    words = words_of(E5)
    spec = EmbedSpec.parse({"inputs": [{"url": str(path.parent)}], "output": "nowhere"})
    cutting = Cutting(spec.segment, spec.passage, words.digest)
    units = plan_units(list_assets(spec.inputs), cutting)
    stage, encode = cut_stage(cutting, words), EncodeUnits(FreeEncoder(), lambda *_: None)

    def way() -> None:
        for place in range(units.num_rows):
            encode(stage.run(units.slice(place, 1)))

    rate = minutes * 60 / interleaved({"way": way}, ROUNDS)["way"]
    what = f"{minutes:g} min of stereo {STARVED}, from the file to the batches of a free encoder (encoder starved)"
    return Row(what, "real time", rate, 1.0, UNIT)


def write_by_ffmpeg(path: Path, kind: str, sound_2N: FloatArray, rate: int) -> None:
    codec, bit_rate = _BY_FFMPEG[kind]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout, stream.bit_rate = "stereo", bit_rate
        frame = av.AudioFrame.from_ndarray(sound_2N, format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        queue = av.AudioFifo()
        queue.write(frame)
        while (part := queue.read(stream.codec_context.frame_size, partial=True)) is not None:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def write_by_soundfile(path: Path, kind: str, sound_2N: FloatArray, rate: int) -> None:
    form, subtype = _BY_SOUNDFILE[kind]
    with soundfile.SoundFile(str(path), "w", rate, 2, subtype=subtype, format=form) as file:
        for start in range(0, sound_2N.shape[1], rate):  # libsndfile's vorbis encoder crashes on long input
            file.write(sound_2N.T[start : start + rate])
