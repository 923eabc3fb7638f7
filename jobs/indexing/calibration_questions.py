"""Calibration questions of an index: spans of its texts, and a log of users' questions, encoded by its model.

The model is that of the dataset, where this machine has it.  It is loaded when the first question is encoded, since a
small index is searched row by row and needs no calibration.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from embed.audio.questions import decoder_for
from embed.encoder import FloatArray
from embed.errors import DegluError, SpecError
from embed.model.handle import ModelHandle, resolve_model
from index.ask.questions import Question, check_kinds, encoded, read_batch

if TYPE_CHECKING:  # torch takes seconds to import
    from embed.model.weights import Model

MOST = 4_096  # questions of a log: more of them would narrow no interval noticeably
log = logging.getLogger(__name__)


class AskingModel:
    """A model that encodes questions; loaded at the first question."""

    def __init__(self, handle: ModelHandle) -> None:
        self.handle = handle

    @property
    def hears(self) -> bool:
        """Whether it encodes spoken questions too."""
        return self.handle.speaks

    @cached_property
    def model(self) -> "Model":
        from embed.model.weights import load_model

        return load_model(self.handle)

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """float32 [n, D] of typed questions."""
        return self.of([Question(text=text) for text in texts])

    def of(self, questions: Sequence[Question]) -> FloatArray:
        """float32 [n, D], of typed and spoken questions; SpecError for a spoken one with a model of text alone."""
        check_kinds(questions, self.handle.speaks, self.handle.name)
        return encoded(questions, self.model.dims[0], self.model, decoder_for(self.model))


def encoder_of(settings: Mapping[str, Any], space: str | None = None) -> AskingModel | None:
    """The model that `settings` (`index.parts.artifact.Lineage.settings`) name; None without one, which is logged.

    None also where the model here has another space than the dataset, by its files: nothing is loaded.
    """
    name = str(settings.get("model") or "")
    if not name:
        log.info("the dataset names no model: the index is calibrated on its own rows only")
        return None
    try:
        model = resolve_model(name)
        found = model.fingerprints.space
    except (DegluError, OSError) as error:  # transformers raises OSError for a tower that is missing here
        log.warning("the dataset's model is not usable here, calibrating on the index's rows only: %s", error)
        return None
    if space not in (None, found):
        log.warning(
            "model %r is in space %s, the dataset in %s: calibrating on the index's rows only", name, found, space
        )
        return None
    return AskingModel(model)


def read_log(url: str, encode: AskingModel | None) -> FloatArray:
    """float32 [q, D] of the questions in a JSON lines file, as `--batch` reads them; at most MOST, sampled evenly.

    Raises SpecError for a broken line, or where there is no model to encode with; InputError for a missing recording.
    """
    questions = read_batch(url)
    if encode is None:
        raise SpecError(
            f"questions = {url}: the model that embedded the dataset is not on this machine, so the questions cannot "
            "be encoded; copy it here, or leave `questions` out"
        )
    kept = np.unique(np.linspace(0, len(questions) - 1, min(MOST, len(questions))).astype(int))
    if len(kept) < len(questions):
        log.info("%s: %d questions, of which every %.1fth is used", url, len(questions), len(questions) / len(kept))
    return encode.of([questions[i] for i in kept])
