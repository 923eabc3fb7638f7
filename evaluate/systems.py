"""What is compared: late fusion, its baselines, the cascade, and the hybrid of both.

- late-fusion: the model's own vector of speech
- ridge: a linear map of the same frames' mean, kept beside the model; dual: another model's head
- cascade: the text tower's vector of a recogniser's transcript, or the mean of several such; hybrid: late fusion plus
  the weighted cascade
- ceiling: the text tower's vector of the true transcript
- other: another model's own vector of speech, with its own texts; all the rest shares one space

Shapes: n clips, D width of the space.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from safetensors.torch import load_file

from embed.encoder import SAMPLE_RATE, Encoder, FloatArray, Role
from embed.errors import InputError, SpecError
from embed.model.fusion import shorten
from embed.model.handle import ModelHandle, resolve_model
from embed.model.hybrid import HybridEncoder, mix, transcript_vectors
from embed.model.joint import JointEncoder
from embed.model.packaged.resolve import PREFIX
from embed.model.recognition.recogniser import Recogniser
from embed.model.towers.budget import by_budget
from embed.model.weights import load_joint, load_model
from evaluate.measures.by_dim import Rows
from evaluate.spec import EvaluateSpec
from train.curate.clip import Clip, read_clip
from train.strategies.ridge import Ridge

RIDGE = "ridge.safetensors"
SECONDS_BUDGET = 60
ASR = f"{PREFIX}whisper-base"


@dataclass(frozen=True)
class Ears:
    """A recogniser, how it is asked, and what it has heard already: tasks share their recordings."""

    recogniser: Recogniser
    told: bool  # the language of a recording, where it is known
    hypotheses: int = 1  # transcripts of each
    heard: dict[tuple[str, float], tuple[str, ...]] = field(default_factory=dict, compare=False)  # by the place

    def texts(self, clips: Sequence[Clip]) -> list[tuple[str, ...]]:
        """The transcripts of the clips, of each the likeliest first."""
        new = [clip for clip in clips if _place(clip) not in self.heard]
        for langs in sorted({self._langs(clip.lang) for clip in new}):
            some = [clip for clip in new if self._langs(clip.lang) == langs]
            found = self.recogniser.transcribe([read_clip(clip) for clip in some], langs, self.hypotheses)
            self.heard.update((_place(clip), heard.texts) for clip, heard in zip(some, found, strict=True))
        return [self.heard[_place(clip)] for clip in clips]

    def _langs(self, lang: str) -> tuple[str, ...]:
        return (lang,) if self.told and lang in self.recogniser.known else self.recogniser.langs


@dataclass(frozen=True)
class Compared:
    """All that is compared, loaded: the model, and what the other systems want."""

    model: JointEncoder
    ridge: Ridge | None = None
    dual: JointEncoder | None = None
    ears: Ears | None = None
    other: Encoder | None = None
    weight: float = 0.0  # of the transcript's vector in the hybrid
    # Vectors of texts: tasks share a source's.
    written: dict[tuple[Role, tuple[str, ...]], Mapping[str, Rows]] = field(default_factory=dict, compare=False)


def load_compared(spec: EvaluateSpec) -> Compared:
    """What the spec's systems want.  Raises SpecError, InputError with the cure."""
    handle, systems = resolve_model(spec.model), spec.systems
    found = load_model(handle)
    hybrid = found if isinstance(found, HybridEncoder) else None
    model = found if isinstance(found, JointEncoder) else found.model
    ears = None
    if "cascade" in systems or "hybrid" in systems:
        asked = spec.hearing.asr
        own = hybrid.recogniser if hybrid is not None and asked is None else None
        hypotheses = spec.hearing.hypotheses or (hybrid.hypotheses if hybrid is not None else 1)
        ears = Ears(own or Recogniser.load(asked or ASR), spec.hearing.language == "given", hypotheses)
    weight = spec.hearing.weight if spec.hearing.weight is not None else hybrid.weight if hybrid is not None else None
    if "hybrid" in systems and weight is None:
        raise SpecError(f"system hybrid: {spec.model!r} is no hybrid and has no weight of its own; give hearing.weight")
    ridge = load_ridge(handle) if "ridge" in systems else None
    dual = _dual(spec.dual, model) if spec.dual else None
    other = _other(spec.other, spec.dims or model.dims) if spec.other else None
    return Compared(model, ridge, dual, ears, other, weight or 0.0)


def speech_vectors(compared: Compared, systems: Sequence[str], clips: Sequence[Clip], role: Role) -> dict[str, Rows]:
    """Unit vectors [n, D] of the clips by system; of a dual with independent heads, an array for each dim.

    `ceiling` reads the transcript and hears nothing.
    """
    found: dict[str, Rows] = {}
    model, late, spoken = compared.model, "late-fusion", None
    if late in systems or "ridge" in systems or "hybrid" in systems:
        spoken, ridge = _heard(compared, clips, role)
        found |= {late: spoken, "ridge": ridge}
    if "dual" in systems:
        found["dual"] = _by_head(compared.dual, clips)
    if compared.ears is not None:
        found["cascade"] = written = transcript_vectors(model, compared.ears.texts(clips), role)
        if spoken is not None:
            found["hybrid"] = mix(spoken, written, compared.weight)
    if "ceiling" in systems:
        found["ceiling"] = model.encode([clip.text for clip in clips], role)
    if compared.other is not None:
        found["other"] = compared.other.encode([read_clip(clip) for clip in clips], role)
    return {name: found[name] for name in systems}


def text_vectors(compared: Compared, systems: Sequence[str], texts: Sequence[str], role: Role) -> Mapping[str, Rows]:
    """Unit vectors [n, D] of the texts by system: the model's for all but another model."""
    key = role, tuple(texts)
    if key not in compared.written:
        own = compared.model.encode(texts, role)
        other = {} if compared.other is None else {"other": compared.other.encode(texts, role)}
        compared.written[key] = {"own": own, **other}
    found = compared.written[key]
    return {name: found.get(name, found["own"]) for name in systems}


def load_ridge(model: ModelHandle) -> Ridge:
    """The baseline kept beside a model, a hybrid's beside its own.  InputError where there is none."""
    path = model.plain.folder / RIDGE
    if not path.is_file():
        raise InputError(f"{path}: this model has no ridge baseline; leave `ridge` out of systems, or train again")
    return Ridge(**{name: value.float() for name, value in load_file(path).items()})


def _place(clip: Clip) -> tuple[str, float]:
    return clip.uri, clip.offset_s


def _dual(name: str, model: JointEncoder) -> JointEncoder:
    dual = load_joint(resolve_model(name))
    if dual.head is None:
        raise SpecError(f"dual {name!r} has no head; name a model of strategy dual")
    if dual.fingerprints.space != model.fingerprints.space:
        raise SpecError(f"dual {name!r} is of another space than the model; train it with the same texts and dims")
    return dual


def _other(name: str, dims: Sequence[int]) -> Encoder:
    other = load_model(resolve_model(name))
    if missing := sorted(set(dims) - set(other.dims)):
        raise SpecError(f"other {name!r} has no dims {missing}; set dims to what both models have")
    return other


def _heard(compared: Compared, clips: Sequence[Clip], role: Role) -> tuple[FloatArray, FloatArray]:
    """Late fusion and ridge [n, D], through the speech tower once for both; zeros without a ridge."""
    model, ridge = compared.model, compared.ridge
    if model.fusion is None:
        raise InputError("late fusion, ridge and hybrid want a model with a fusion; name one of strategy late-fusion")
    late, linear = np.zeros((2, len(clips), model.dims[0]), np.float32)
    for group, frames, lengths in _frames(model, clips):
        late[group] = model(frames, lengths, role).numpy()
        if ridge is not None:
            linear[group] = ridge.predict(frames.sum(1) / lengths[:, None]).numpy()
    return late, linear


def _by_head(dual: JointEncoder | None, clips: Sequence[Clip]) -> Rows:
    """A head's vectors [n, D], or those of independent heads by dim; it knows no role."""
    if dual is None or dual.head is None:
        raise InputError("no dual was loaded; give `dual` a model with a head")
    dims, rows = dual.dims, dict[int, FloatArray]()
    widths = dims if dual.head.spec.independent else dims[:1]
    out = np.zeros((len(clips), sum(widths)), np.float32)
    for group, frames, lengths in _frames(dual, clips):
        out[group] = dual.head(frames, lengths).numpy()
    if not dual.head.spec.independent:
        return out
    for dim, end in zip(dims, np.cumsum(dims), strict=True):
        rows[dim] = out[:, end - dim : end]
    return rows


def _frames(model: JointEncoder, clips: Sequence[Clip]) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Averaged frames [B, T, F] and lengths [B] of groups of clips."""
    if model.speech is None:
        raise InputError("this model encodes text alone; name one with a speech tower")
    waves = [read_clip(clip) for clip in clips]
    with torch.inference_mode():
        for group in by_budget([len(wave) for wave in waves], SECONDS_BUDGET * SAMPLE_RATE):
            frames, lengths = model.speech([waves[i] for i in group])
            yield group, *shorten(frames, lengths, model.frame_pool)
