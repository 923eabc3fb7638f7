"""An encoder whose answers are known, and small recordings and texts to be cut, for the tests of embedding."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile

from embed.archive.inputs import InputSpec
from embed.archive.manifest import list_assets
from embed.encoder import SAMPLE_RATE, Batch, Fingerprints, FloatArray, Role
from embed.errors import InputError
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.segmentation.units import plan_units

SEGMENT = SegmentSpec(mode="windows", window_s=2, hop_s=1, max_s=2, unit_s=10)
PASSAGE = PassageSpec(max_tokens=60, overlap_tokens=0)
TONES_HZ = (200, 500, 1500, 4000)


class Letters:
    """Every character is a token; keeps `embed.segmentation.tokens.Words`."""

    digest = "letters"

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [(at, at + 1) for at in range(len(text))]


LETTERS = Letters()
CUTTING = Cutting(SEGMENT, PASSAGE, LETTERS.digest)


class Spectrum:
    """Speech becomes its energy in four bands, text its share of four letters; keeps `embed.encoder.Encoder`.

    Raises on a wave that is louder than 0.9, a text with a '#'; gives NaN for a text with a '~'.
    """

    dims = (4, 2)
    fingerprints = Fingerprints("spectrum-space", "spectrum-encoder")

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        if not len(batch):
            return np.zeros((0, 4), np.float32)
        found = [self._text(one) if isinstance(one, str) else self._wave(one) for one in batch]
        vectors = np.asarray(found, np.float32) + 1e-3
        unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def _text(self, text: str) -> list[float]:
        if "#" in text:
            raise InputError("a text with\na hash")
        return [float("nan") if "~" in text else float(text.count(letter)) for letter in "abcd"]

    def _wave(self, wave: FloatArray) -> list[float]:
        if np.abs(wave).max() > 0.9:
            raise ValueError("too loud")
        energy = np.abs(np.fft.rfft(wave)) ** 2
        edges = [int(hz * len(wave) / SAMPLE_RATE) for hz in (0, 300, 1000, 3000, 8000)]
        return [float(energy[a:b].sum() / energy.sum()) for a, b in pairwise(edges)]


def tone(seconds: float, hz: float, loudness: float = 0.3) -> FloatArray:
    wave: FloatArray = (loudness * np.sin(2 * np.pi * hz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(
        np.float32
    )
    return wave


def write_wave(path: Path, *pieces: FloatArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.concatenate(pieces), SAMPLE_RATE, subtype="FLOAT")


def units_of(folder: Path, segment: SegmentSpec = SEGMENT, **about: object) -> pa.Table:
    """UNITS of a folder, as the job plans them."""
    spec = InputSpec.parse({"url": str(folder), "name": "archive", **about})
    return plan_units(list_assets([spec]), Cutting(segment, PASSAGE, LETTERS.digest))


def write_archive(folder: Path) -> None:
    """Four tones one after the other (two units), a text of three paragraphs, two documents."""
    write_wave(folder / "tones.wav", *(tone(4, hz) for hz in TONES_HZ))
    (folder / "letters.txt").write_text("aaa a.\n\nbbb b.\n\nccc dd.\n", encoding="utf-8")
    documents = [{"_id": "one", "text": "ab"}, {"_id": "two", "text": "dddd", "lang": "wo", "year": "2021"}]
    (folder / "docs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents), encoding="utf-8")
