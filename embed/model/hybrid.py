"""Hybrid encoder: the vector of speech is combined with that of its transcript; texts are encoded as before.

    speech -> the model -------------------------------- vector --+
       +----> recogniser -> transcripts -> the model's texts -----+ weighted sum -> unit [n, D]

The space is that of the model, so an index of its texts answers a hybrid's questions unchanged.  A hybrid is a folder
with `hybrid.json`, which names its model: a released one, or a relative folder (`..`).
Shapes: n rows, D width of the space.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from embed.encoder import Batch, Encoder, Fingerprints, FloatArray, Role
from embed.errors import SpecError
from embed.model.folder import HYBRID, HybridSpec
from embed.model.joint import JointEncoder

if TYPE_CHECKING:  # transformers takes seconds to import: it is loaded where a recogniser is made
    from embed.model.recognition.recogniser import Recogniser


class HybridEncoder:
    """A model with a speech recogniser; see `embed.encoder.Encoder`."""

    def __init__(
        self,
        model: JointEncoder,
        recogniser: "Recogniser",
        weight: float,
        hypotheses: int = 1,
        fingerprints: Fingerprints | None = None,
    ) -> None:
        self.model = model
        self.recogniser = recogniser
        self.weight = weight
        self.hypotheses = hypotheses
        self._fingerprints = fingerprints

    @property
    def dims(self) -> tuple[int, ...]:
        return self.model.dims

    @property
    def longest_s(self) -> float | None:
        return self.model.longest_s

    @property
    def precision(self) -> str:
        return self.model.precision

    @property
    def budget_halvings(self) -> int:
        return self.model.budget_halvings

    @property
    def fingerprints(self) -> Fingerprints:
        if self._fingerprints is None:
            raise SpecError("this hybrid is not saved and has no fingerprints yet; save it and load it")
        return self._fingerprints

    def encode(self, batch: Batch, role: Role, task: str | None = None) -> FloatArray:
        """Texts as the model encodes them; speech with its transcripts, in the same role."""
        if len(batch) == 0 or isinstance(batch[0], str):
            return self.model.encode(batch, role, task)
        waves = cast(Sequence[FloatArray], batch)
        # First, so that an unfit wave raises the same error as with the model alone.
        speech_nD = self.model.encode(waves, role, task)
        texts = [transcript.texts for transcript in self.recogniser.transcribe(waves, hypotheses=self.hypotheses)]
        return mix(speech_nD, transcript_vectors(self.model, texts, role, task), self.weight)


def mix(speech_nD: FloatArray, transcripts_nD: FloatArray, weight: float) -> FloatArray:
    """Unit rows of speech + weight x transcript; an empty transcript is a row of zeros and changes nothing."""
    total = speech_nD + np.float32(weight) * transcripts_nD
    # Opposite rows may cancel exactly and leave no direction.
    norms = np.maximum(np.linalg.norm(total, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    unit: FloatArray = (total / norms).astype(np.float32)
    return unit


def transcript_vectors(
    encoder: Encoder, transcripts: Sequence[Sequence[str]], role: Role, task: str | None = None
) -> FloatArray:
    """Vectors [n, D] of the transcripts of each wave, as texts of this role; zeros where all are empty.

    For several transcripts, their unit mean: common words count most, a wrong word in one of them less.
    """
    distinct = list(dict.fromkeys(text for texts in transcripts for text in texts if text.strip()))
    out = np.zeros((len(transcripts), encoder.dims[0]), np.float32)
    if not distinct:
        return out
    row = {text: i for i, text in enumerate(distinct)}
    vectors = encoder.encode(distinct, role, task)
    for i, texts in enumerate(transcripts):
        own = [row[text] for text in texts if text in row]
        if own:
            mean = vectors[own].mean(0)
            out[i] = mean / max(float(np.linalg.norm(mean)), float(np.finfo(np.float32).tiny))
    return out


def save_hybrid(spec: HybridSpec, folder: Path) -> None:
    """Write the folder; `spec.model` is a released name, or relative to it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HYBRID).write_text(json.dumps(spec.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
