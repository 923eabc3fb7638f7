"""Vectors of clips and texts by system; vectors that several systems share are computed once.

Shapes: n clips or texts, D width of the space, B clips of a group, T frames, F their width.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property, partial

import numpy as np
import torch

from embed.encoder import SAMPLE_RATE, FloatArray, Role
from embed.errors import InputError
from embed.identity import digest
from embed.model.fusion import shorten
from embed.model.hybrid import mix, transcript_vectors
from embed.model.joint import JointEncoder
from embed.model.towers.budget import by_budget
from evaluate.kept import kept, key_of_speech, key_of_texts
from evaluate.measures.by_dim import Rows
from evaluate.models import Models
from evaluate.ranks.projector import cut_to_rank, decomposed, parameters
from evaluate.systems import SYSTEMS
from train.curate.clip import Clip, read_clip

SECONDS_BUDGET = 60
FUSED, RANK = "late-fusion", "late-fusion, rank "  # the system, and the names of its vectors by projectors of few ranks


def speech_vectors(models: Models, systems: Sequence[str], clips: Sequence[Clip], role: Role) -> dict[str, Rows]:
    """Unit vectors [n, D] of the clips by system; of a dual with independent heads, an array for each dim.

    Those of late fusion by projectors of few ranks follow, if the spec has `ranks.projector`; see `rank_of`.
    """
    speech = Speech(models, clips, role)
    return {**_by_system(models, speech, systems, clips, role), **_by_rank(models, speech, systems, clips, role)}


def rank_of(name: str) -> int | None:
    """The rank of the projector that vectors of this name were made with; None for those of a system."""
    return int(name.removeprefix(RANK)) if name.startswith(RANK) else None


def _by_rank(
    models: Models, speech: "Speech", systems: Sequence[str], clips: Sequence[Clip], role: Role
) -> dict[str, Rows]:
    ranks = models.spec.ranks.projector if models.spec.ranks is not None and FUSED in systems else ()
    if not ranks:
        return {}

    def make() -> Rows:
        by_rank = speech.at_ranks(ranks)
        return np.concatenate([by_rank[rank] for rank in ranks])

    made = (
        kept(digest(key_of_speech(models, FUSED, clips, role), *map(str, ranks)), make) if models.spec.keep else make()
    )
    parts = np.split(np.asarray(made), len(ranks))
    return {f"{RANK}{rank}": part for rank, part in zip(ranks, parts, strict=True)}


def _by_system(
    models: Models, speech: "Speech", systems: Sequence[str], clips: Sequence[Clip], role: Role
) -> dict[str, Rows]:
    if not models.spec.keep:
        return {name: SYSTEMS[name].speech(speech) for name in systems}
    keys = {name: key_of_speech(models, name, clips, role) for name in systems}
    return {name: kept(keys[name], partial(SYSTEMS[name].speech, speech)) for name in systems}


def text_vectors(models: Models, systems: Sequence[str], texts: Sequence[str], role: Role) -> dict[str, Rows]:
    """Unit vectors [n, D] of the texts by system: the model's own, except for the system `other`."""
    makers = {name: partial(models.encode_texts, SYSTEMS[name].texts, texts, role) for name in systems}
    if not models.spec.keep:
        return {name: make() for name, make in makers.items()}
    return {name: kept(key_of_texts(models, name, texts, role), make) for name, make in makers.items()}


class Speech:
    """Clips in a role, with their vectors by the systems; each is computed at its first use."""

    models: Models
    clips: Sequence[Clip]
    role: Role

    def __init__(self, models: Models, clips: Sequence[Clip], role: Role) -> None:
        self.models, self.clips, self.role = models, clips, role
        self.read = read_clip if models.reader is None else models.reader(clips)

    @cached_property
    def waves(self) -> list[FloatArray]:
        return [self.read(clip) for clip in self.clips]

    @property
    def late_fusion(self) -> FloatArray:
        return self._fused_and_linear[0]

    @property
    def ridge(self) -> FloatArray:
        return self._fused_and_linear[1]

    def at_ranks(self, ranks: Sequence[int]) -> dict[int, FloatArray]:
        """Late fusion [n, D] by projectors of these ranks, in one pass through the speech tower."""
        model = self.models.model
        for rank in ranks:
            parameters(model, rank)
        factors = decomposed(model)
        found = {rank: np.zeros((len(self.clips), model.dims[0]), np.float32) for rank in ranks}
        for group, frames, lengths in _frames(model, self.waves):
            for rank, out in found.items():
                with cut_to_rank(model, factors, rank):
                    out[group] = model(frames.clone(), lengths, self.role).numpy()
        return found

    @cached_property
    def transcribed(self) -> FloatArray:
        """The transcripts' vectors [n, D]."""
        reader = self.models.reader
        texts = self.models.transcripts.texts(self.clips, self.read, "" if reader is None else reader.name)
        return transcript_vectors(self.models.model, texts, self.role)

    @property
    def mixed(self) -> FloatArray:
        return mix(self.late_fusion, self.transcribed, self.models.weight)

    @property
    def by_head(self) -> Rows:
        """A head's vectors [n, D], or those of independent heads by dim; the same in both roles."""
        dual = self.models.dual
        assert dual.head is not None
        dims, independent = dual.dims, dual.head.spec.independent
        out = np.zeros((len(self.clips), sum(dims if independent else dims[:1])), np.float32)
        for group, frames, lengths in _frames(dual, self.waves):
            out[group] = dual.head(frames, lengths).numpy()
        if not independent:
            return out
        return {dim: out[:, end - dim : end] for dim, end in zip(dims, np.cumsum(dims), strict=True)}

    @cached_property
    def _fused_and_linear(self) -> tuple[FloatArray, FloatArray]:
        """Late fusion and ridge [n, D], in one pass through the speech tower; zeros where the spec has no ridge."""
        model = self.models.model
        ridge = self.models.ridge if "ridge" in self.models.spec.systems else None
        if model.fusion is None:
            raise InputError(
                "systems late-fusion, ridge and hybrid require a model with a fusion; give one of strategy late-fusion"
            )
        fused, linear = np.zeros((2, len(self.clips), model.dims[0]), np.float32)
        for group, frames, lengths in _frames(model, self.waves):
            fused[group] = model(frames, lengths, self.role).numpy()
            if ridge is not None:
                linear[group] = ridge.predict(frames.sum(1) / lengths[:, None]).numpy()
        return fused, linear


def _frames(model: JointEncoder, waves: Sequence[FloatArray]) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Averaged frames [B, T, F] and lengths [B] of groups of clips."""
    if model.speech is None:
        raise InputError("this model encodes text alone; give a model with a speech tower")
    with torch.inference_mode():
        for group in by_budget([len(wave) for wave in waves], SECONDS_BUDGET * SAMPLE_RATE):
            frames, lengths = model.speech([waves[i] for i in group])
            yield group, *shorten(frames, lengths, model.frame_pool)
