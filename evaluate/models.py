"""Models that the systems of a spec require, each loaded once."""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Protocol

from safetensors.torch import load_file

from embed.encoder import Encoder, Fingerprints, FloatArray, Role
from embed.errors import InputError, SpecError
from embed.model.handle import ModelHandle, resolve_model
from embed.model.hybrid import HybridEncoder
from embed.model.joint import JointEncoder
from embed.model.packaged.resolve import PREFIX
from embed.model.recognition.recogniser import Recogniser
from embed.model.weights import load_joint, load_model
from evaluate.spec import MeasureSpec
from evaluate.systems import SYSTEMS
from evaluate.transcripts import Transcripts
from train.curate.clip import Clip
from train.strategies.ridge import RIDGE, Ridge

ASR = f"{PREFIX}whisper-base"


class Reader(Protocol):
    """A way to read a task's recordings, e.g. in noise; `name` is part of the names of kept encodings."""

    @property
    def name(self) -> str: ...

    def __call__(self, clips: Sequence[Clip]) -> Callable[[Clip], FloatArray]:
        """The function that reads one of these recordings."""


class Models:
    """Models that the systems of a spec encode with; a property raises SpecError or InputError that says what to do."""

    def __init__(self, spec: MeasureSpec) -> None:
        self.spec = spec
        self.reader: Reader | None = None  # None: recordings as they are
        # Vectors of texts: tasks share the texts of a source.
        self._encoded: dict[tuple[str, Role, tuple[str, ...]], FloatArray] = {}

    def reading(self, reader: Reader | None, spec: MeasureSpec) -> "Models":
        """The same models, which read recordings by `reader` and measure by `spec`, of the same models."""
        found = copy(self)
        found.spec, found.reader = spec, reader
        return found

    @cached_property
    def model(self) -> JointEncoder:
        return self._loaded if isinstance(self._loaded, JointEncoder) else self._loaded.model

    @cached_property
    def ridge(self) -> Ridge:
        return load_ridge(self._handle)

    @cached_property
    def dual(self) -> JointEncoder:
        name = self.spec.dual
        if name is None:
            raise InputError("field 'dual' is not set; give it a model with a head")
        dual = load_joint(resolve_model(name))
        if dual.head is None:
            raise SpecError(f"field 'dual' = {name!r}: this model has no head; give a model of strategy dual")
        if dual.fingerprints.space != self.model.fingerprints.space:
            raise SpecError(
                f"field 'dual' = {name!r}: its space differs from the model's; train it with the same texts and dims"
            )
        return dual

    @cached_property
    def transcripts(self) -> Transcripts:
        settings, hybrid = self.spec.hearing, self._hybrid
        own = hybrid.recogniser if hybrid is not None and settings.asr is None else None
        hypotheses = settings.hypotheses or (hybrid.hypotheses if hybrid is not None else 1)
        recogniser = own or Recogniser.load(settings.asr or ASR)
        return Transcripts(recogniser, settings.language == "given", hypotheses, self.spec.keep)

    @cached_property
    def weight(self) -> float:
        """Weight of the transcript's vector in the hybrid."""
        if self.spec.hearing.weight is not None:
            return self.spec.hearing.weight
        if self._hybrid is None:
            raise SpecError(
                f"system hybrid: {self.spec.model!r} is no hybrid model and has no weight; set hearing.weight"
            )
        return self._hybrid.weight

    @cached_property
    def other(self) -> Encoder:
        name, dims = self.spec.other, self.spec.dims or self.model.dims
        if name is None:
            raise InputError("field 'other' is not set; give it a model")
        other = load_model(resolve_model(name))
        if missing := sorted(set(dims) - set(other.dims)):
            raise SpecError(f"field 'other' = {name!r}: this model has no dims {missing}; set dims of both models")
        return other

    def encode_texts(self, encoder: str, texts: Sequence[str], role: Role) -> FloatArray:
        """Unit vectors [n, D] of the texts by the property `encoder`; the same texts are encoded once per role."""
        key = encoder, role, tuple(texts)
        if key not in self._encoded:
            model: Encoder = getattr(self, encoder)
            self._encoded[key] = model.encode(texts, role)
        return self._encoded[key]

    def fingerprints(self, name: str) -> Fingerprints:
        """Fingerprints of the model of a property: `model`, `dual` or `other`."""
        given = {"dual": self.spec.dual, "other": self.spec.other}.get(name)
        return (resolve_model(given) if given else self._handle).fingerprints

    @property
    def folder(self) -> Path:
        """Of the model; of a hybrid, of its plain model."""
        return self._handle.plain.folder

    @cached_property
    def _handle(self) -> ModelHandle:
        return resolve_model(self.spec.model)

    @cached_property
    def _loaded(self) -> JointEncoder | HybridEncoder:
        return load_model(self._handle)

    @property
    def _hybrid(self) -> HybridEncoder | None:
        return self._loaded if isinstance(self._loaded, HybridEncoder) else None


def load_models(spec: MeasureSpec) -> Models:
    """Loads all models that the spec's systems require.  Raises SpecError or InputError that says what to do."""
    models = Models(spec)
    known = models.model.dims
    if missing := sorted(set(spec.dims or ()) - set(known)):
        widths = ", ".join(map(str, known))
        raise SpecError(f"field 'dims': {spec.model!r} has no width {missing[0]}; give some of {widths}")
    for name in (required for system in spec.systems for required in SYSTEMS[system].requires):
        getattr(models, name)
    return models


def load_ridge(model: ModelHandle) -> Ridge:
    """The ridge baseline in the folder of a model (of a hybrid: its plain model).  InputError where there is none."""
    path = model.plain.folder / RIDGE
    if not path.is_file():
        raise InputError(f"{path}: this model has no ridge baseline; remove `ridge` from systems, or train it again")
    return Ridge(**{name: value.float() for name, value in load_file(path).items()})
