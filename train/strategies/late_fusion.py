"""Strategy of late fusion: speech is trained towards the frozen texts of the same meaning, in every language.

A whole batch has one role: a spoken question is trained towards documents, an archived recording towards typed
questions, among all texts of the positive's language.  In the role of a document each text is also trained towards its
own speech in the batch, since then speech is searched; in both roles speech is trained towards the vector of its true
transcript.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from embed.encoder import FloatArray, Role
from embed.errors import SpecError
from embed.model.joint import JointEncoder
from embed.model.towers.budget import Budget
from train.batches import epoch_batches
from train.curate.clip import Clip
from train.frozen.targets import Targets
from train.losses import Gather, against_tables, distillation, regression, reverse_infonce
from train.spec import TrainSpec
from train.strategies.dev_scores import dev_scores, judge_dev
from train.strategies.masks import mask_frames
from train.strategy import ROLES, At, Metric, chance, trained

FRAMES_AT_ONCE = 1500  # when dev is scored
TEMPERATURE, FUSION = "log_temperature", "fusion."


class ClipFeatures(Protocol):
    """Frames of clips in several views: `train.frozen.features.Features` and its like."""

    def num_views(self, clip: int) -> int: ...
    def frames(self, clip: int, view: int = 0) -> Tensor: ...
    def wave(self, clip: int, view: int = 0) -> FloatArray: ...
    def length(self, clip: int, view: int = 0) -> int: ...
    def spread(self, clips: Sequence[int], seed: int) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class _BatchTargets:
    """The texts that a batch's clips are trained towards."""

    role: Role
    members_B: Tensor  # numbers of the clips
    langs_B: Tensor  # numbers of the texts' languages
    texts_B: Tensor  # positions of the texts in `Targets`
    temperature: Tensor


class LateFusionStrategy:
    """`train.strategy.Strategy` of speech and its texts, through the fusion or the head of `model`."""

    def __init__(
        self,
        model: JointEncoder,
        features: ClipFeatures,
        targets: Targets,
        train: Sequence[int],
        dev: Sequence[int],
        spec: TrainSpec,
        metric: Metric,
        device: str = "cpu",
        clips: Sequence[Clip] = (),
    ) -> None:
        """`train` and `dev` are positions among the clips of features and targets; `clips` have names and sources.

        The model's fusion or head is standardised by the training frames here.
        """
        self.model, self.features, self.targets = model, features, targets
        self.train, self.dev, self.spec, self.metric, self.clips = train, dev, spec, metric, clips
        self._standardise()
        self._at_once = Budget(FRAMES_AT_ONCE)
        self.log_temperature = nn.Parameter(
            torch.tensor(math.log(spec.loss.temperature), device=device), requires_grad=spec.loss.learn_temperature
        )
        self._vectors = {role: targets.vectors[role].to(device) for role in ROLES}
        # A query is compared with documents and a document with queries.
        other: dict[Role, Role] = {"query": "document", "document": "query"}
        langs = sorted(set(targets.langs))
        self._lang = {lang: number for number, lang in enumerate(langs)}
        texts = [[row for row, one in enumerate(targets.langs) if one == lang] for lang in langs]
        prefixes = {role: targets.prefixes(other[role], model.dims) for role in ROLES}
        self._tables = {
            role: [{dim: one[rows].to(device) for dim, one in prefixes[role].items()} for rows in texts]
            for role in ROLES
        }
        place_N = torch.empty(len(targets.langs), dtype=torch.long)
        for rows in texts:
            place_N[rows] = torch.arange(len(rows))
        self._place_N = place_N.to(device)  # position of a text among those of its language
        self._own_CL = torch.tensor([[own.get(lang, -1) for lang in langs] for own in targets.own], device=device)
        self._spoken_C = torch.tensor(targets.spoken, device=device)

    @property
    def module(self) -> nn.Module:
        return self.model

    def parameters(self) -> dict[str, nn.Parameter]:
        own = {TEMPERATURE: self.log_temperature} if self.log_temperature.requires_grad else {}
        return {**trained(self.model), **own}

    def batches(self, epoch: int) -> list[list[int]]:
        return epoch_batches(self.clips, self.train, self.features.length, self.spec, epoch)

    def inputs(self, members: Sequence[int], at: At) -> tuple[Any, ...]:
        """Frames [B, T, F], or waves [B, samples] for a speech tower that is trained; lengths [B]; role."""
        rows = [self._frames(clip, at.epoch) for clip in members]
        return pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows]), at.role

    def loss(self, vectors: Tensor, members: Sequence[int], at: At, gather: Gather) -> Mapping[str, Tensor]:
        settings = self.spec.loss
        temperature = gather.shared(self.log_temperature).exp()
        langs = torch.tensor([self._drawn_lang(clip, at.epoch) for clip in members], device=vectors.device)
        members_B = torch.tensor(members, device=vectors.device)
        targets = _BatchTargets(at.role, members_B, langs, self._own_CL[members_B, langs], temperature)
        losses: dict[str, Tensor] = {}
        for rows, dims, weights, share in self._parts(vectors):
            for name, value in self._losses(rows, dims, weights, targets, gather).items():
                losses[name] = losses[name] + share * value if name in losses else share * value
        factors = {"reverse": settings.reverse, "distillation": settings.distillation}
        total = sum((factors.get(name, 1.0) * value for name, value in losses.items()), torch.zeros_like(temperature))
        return {"loss": total, **losses, "temperature": temperature}

    def judged(self) -> dict[str, NDArray[np.float64]]:
        """The metric of every dev clip, by direction and dim; see `judge_dev`."""
        queries, documents = self.vectors(self.dev, "query"), self.vectors(self.dev, "document")
        return judge_dev(self.prefixes(queries), self.prefixes(documents), self.targets, self.dev, self.metric)

    def scores(self) -> dict[str, float]:
        return dev_scores(self.judged())

    def state(self) -> dict[str, Tensor]:
        parameters = trained(self.model)
        tensors = {
            name: value
            for name, value in self.model.state_dict().items()
            if name in parameters or name.startswith((FUSION, "head."))
        }
        own = {TEMPERATURE: self.log_temperature.detach()} if self.log_temperature.requires_grad else {}
        return {**tensors, **own}

    def load(self, state: Mapping[str, Tensor]) -> None:
        weights = {name: value for name, value in state.items() if name != TEMPERATURE}
        missing = [name for name in self.state() if name not in state]
        unknown = self.model.load_state_dict(weights, strict=False).unexpected_keys
        if missing or unknown:
            raise SpecError(f"these weights do not fit the model: only one of the two has {[*missing, *unknown][0]}")
        if TEMPERATURE in state:
            with torch.no_grad():
                self.log_temperature.copy_(state[TEMPERATURE])

    def load_members(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Load each fusion of the model from the state of its own training."""
        for fusion, state in zip(self.model.fusions, states, strict=True):
            own = {name.removeprefix(FUSION): value for name, value in state.items() if name.startswith(FUSION)}
            fusion.load_state_dict(own)

    def names(self, members: Sequence[int]) -> list[str]:
        return [self.clips[one].name if self.clips else f"clip {one}" for one in members]

    def vectors(self, clips: Sequence[int], role: Role) -> Tensor:
        """The model's output [n, ...] for the clips without augmentation, float32 on the CPU."""
        was_training, device = self.model.training, self._own_CL.device

        def encode(group: list[int]) -> FloatArray:
            rows = [self._sound(clips[i], 0) for i in group]
            lengths = torch.tensor([len(row) for row in rows], device=device)
            found: FloatArray = (
                self.model(pad_sequence(rows, batch_first=True).to(device), lengths, role).float().cpu().numpy()
            )
            return found

        self.model.eval()
        with torch.inference_mode():
            vectors = self._at_once.rows([self.features.length(clip) for clip in clips], self._width, encode)
        self.model.train(was_training)
        return torch.from_numpy(vectors)

    def prefixes(self, vectors: Tensor) -> dict[int, FloatArray]:
        """Unit vectors [n, d] by d, from the result of `vectors`."""
        return {dim: nn.functional.normalize(vectors[:, :dim], dim=-1).numpy() for dim in self.model.dims}

    @property
    def _width(self) -> int:
        """Width of the model's output."""
        return self.model.dims[0]

    def _parts(self, vectors: Tensor) -> Iterator[tuple[Tensor, Sequence[int], Sequence[float] | None, float]]:
        """Rows with the dims that are trained in them, the weights of these dims, and the share of the whole loss."""
        yield vectors, self.model.dims, self.spec.loss.dim_weights, 1.0

    def _losses(
        self, rows: Tensor, dims: Sequence[int], weights: Sequence[float] | None, targets: _BatchTargets, gather: Gather
    ) -> dict[str, Tensor]:
        settings, role = self.spec.loss, targets.role
        common: dict[str, Any] = {"weights": weights, "margin": settings.margin, "temperature": targets.temperature}
        # The table's texts are in the other role: a spoken question searches documents.
        vectors = self._vectors["document" if role == "query" else "query"][targets.texts_B]
        losses: dict[str, Tensor] = {}
        if settings.kind == "regression":
            losses["regression"] = regression(rows, vectors, dims=dims, weights=weights, gather=gather)
        elif settings.candidates == "all":
            tables = [{dim: table[dim] for dim in dims} for table in self._tables[role]]
            places = self._place_N[targets.texts_B]
            losses["contrast"] = against_tables(rows, tables, targets.langs_B, places, **common, gather=gather)
        else:
            same = self._same(targets.members_B, gather)
            # Each speech among the batch's texts: the reverse of the reverse.
            losses["contrast"] = reverse_infonce(vectors, rows, dims=dims, **common, same_BW=same, gather=gather)
        if role == "document" and settings.reverse and settings.kind == "infonce":
            same = self._same(targets.members_B, gather)
            losses["reverse"] = reverse_infonce(rows, vectors, dims=dims, **common, same_BW=same, gather=gather)
        if settings.distillation:
            teachers = self._vectors[role][self._spoken_C[targets.members_B]]
            losses["distillation"] = distillation(rows, teachers[:, : rows.shape[1]], gather=gather)
        return losses

    def _same(self, members_B: Tensor, gather: Gather) -> Tensor:
        """[B, W], True where two clips share a text."""
        mine, all_own = self._own_CL[members_B][:, None], self._own_CL[gather(members_B)][None]
        return ((mine == all_own) & (mine >= 0)).any(-1)

    def _drawn_lang(self, clip: int, epoch: int) -> int:
        """Number of the language of the clip's text in this epoch, drawn at random."""
        langs = sorted(self.targets.own[clip])
        return self._lang[langs[int(chance(self.spec.seed, epoch, clip, "loss").integers(len(langs)))]]

    def _frames(self, clip: int, epoch: int) -> Tensor:
        random = chance(self.spec.seed, epoch, clip)
        sound = self._sound(clip, int(random.integers(self.features.num_views(clip))))
        return mask_frames(sound, self.spec.masks, self._mean, random) if sound.dim() == 2 else sound

    def _sound(self, clip: int, view: int) -> Tensor:
        if self.spec.encoder.adapt.speech_trained:
            return torch.from_numpy(self.features.wave(clip, view))
        return self.features.frames(clip, view)

    def _standardise(self) -> None:
        part = self.model.fusion if self.model.fusion is not None else self.model.head
        if part is None:
            raise SpecError("field 'encoder': speech is trained through a fusion or a head; add one of them")
        part.standardise(*self.features.spread(self.train, self.spec.seed))
        if self.model.fusion is not None:
            self.model.fusion.start_at(self.model.text.model.get_input_embeddings().weight)
        self._mean = part.centre.detach().cpu().clone()
