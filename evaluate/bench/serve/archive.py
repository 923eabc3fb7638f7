"""Index and questions of the bench: made-up sentences in the released model's space, asked in type and aloud."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile

from embed.encoder import SAMPLE_RATE, FloatArray, truncate
from embed.model.handle import resolve_model
from embed.model.weights import load_model
from evaluate.bench.index.made_up import table_of
from evaluate.bench.serve.servers import MODEL
from index.building.build import build
from index.live import append
from index.parts.artifact import Lineage
from index.spec import IndexSpec
from index.table_vectors import TableVectors
from jobs.demo.demo_material import voice

URL = "made-up"
NOISE = 0.7  # of a row, as long as 1: rows of one sentence have a cosine of about 0.67
CODE_BITS = 1.33  # as a trial chooses them for this width; the trial costs more than the build
WHO = ("farmer", "teacher", "nurse", "minister", "fisher", "judge")
DOES = ("sells", "repairs", "asks for", "waits for", "explains")
WHAT = ("rice", "the road", "a school", "the well", "boats", "medicine", "the harvest", "votes", "a song", "water")
SPOKEN, SPOKEN_S = 12, 3.0


class Archive:
    """An index at `folder` that can be appended to."""

    def __init__(self, folder: Path, rows: int) -> None:
        """The index of `rows` vectors: those of a few hundred sentences, each with noise of its own."""
        self.url, self._rng, self._version = str(folder), np.random.default_rng(7), 1
        handle = resolve_model(MODEL)
        model = load_model(handle, speech=False)
        self._space, self._dims = handle.fingerprints.space, tuple(model.dims)
        self._middles = model.encode(sentences(), "document")
        self._rows = self._noisy(rows)
        spec = IndexSpec(vectors=URL, output=self.url, device="cpu", code_bits=CODE_BITS)
        build(spec, self._vectors(), self._lineage())

    def grow(self, rows: int) -> None:
        """Append rows as the next version."""
        self._version += 1
        self._rows = np.concatenate([self._rows, self._noisy(rows)])
        append(self.url, self._vectors(), self._lineage())

    def _noisy(self, rows: int) -> FloatArray:
        middles = self._middles[self._rng.integers(0, len(self._middles), rows)]
        noise = self._rng.standard_normal(middles.shape).astype(np.float32) * middles.std(axis=0)
        return truncate(middles + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True), middles.shape[1])

    def _vectors(self) -> TableVectors:
        table: pa.Table = table_of(self._rows, self._space)
        return TableVectors(table, self._dims, self._space)

    def _lineage(self) -> Lineage:
        return Lineage(url=URL, version=self._version, sha256=None, settings={"model": MODEL})


def sentences() -> list[str]:
    """All that can be said with the words above."""
    return [f"The {who} {does} {what}." for who in WHO for does in DOES for what in WHAT]


def typed_questions() -> list[str]:
    """Two hundred, none of which is a sentence of the index."""
    every = [f"Who {does} {what} here, and does the {who} know?" for does in DOES for what in WHAT for who in WHO]
    return [str(one) for one in np.random.default_rng(3).permutation(every)[:200]]


def spoken_questions() -> list[bytes]:
    """Recordings, as a browser sends them: WAV of 16 kHz."""
    return [_wav(voice(SPOKEN_S, seed)) for seed in range(SPOKEN)]


def _wav(samples: FloatArray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
