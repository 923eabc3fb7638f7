"""Strategy of the text tower: a query is trained towards its document, in another language or the same, at every dim.

A batch's rows are each member's query, its document and its hard negatives, in this order; the tower encodes all in
one call, with the instruction and prefixes of inference.  The tower has no dropout, as in inference.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from embed.encoder import FloatArray, Role
from embed.errors import SpecError
from embed.model.joint import JointEncoder
from embed.model.towers.budget import by_budget
from train.batches import batches
from train.curate.clip import text_key
from train.losses import Gather, infonce, regression
from train.spec import TrainSpec
from train.strategy import SCORE, At, Metric, trained

TOKENS_AT_ONCE = 4096  # when dev is scored
TEMPERATURE = "log_temperature"
TO_DOCUMENT = "query_to_document"  # "query_to_document@384" and so on


class Pair(Protocol):
    """A query and its document, as `train.curate.text_pairs.TextPair`."""

    @property
    def key(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def document(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def negatives(self) -> Sequence[str]: ...


class Reader(nn.Module):
    """Token ids [n, T] and their number [n] to unit vectors [n, D]."""

    def __init__(self, model: JointEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        mask = torch.arange(ids.shape[1], device=ids.device)[None, :] < lengths[:, None]
        return self.model.place(self.model.text.pooled(mask, ids=ids))


class TextStrategy:
    """`train.strategy.Strategy` of pairs of texts, through the text tower of `model`."""

    def __init__(
        self,
        model: JointEncoder,
        train: Sequence[Pair],
        dev: Sequence[Pair],
        spec: TrainSpec,
        metric: Metric,
        device: str = "cpu",
    ) -> None:
        """Unfreezes the tower's layers that the spec trains.  Members are positions in `train`."""
        self.model, self.pairs, self.dev, self.spec, self.metric = model, train, dev, spec, metric
        self.reader = Reader(model)
        unfreeze(model.text.model, spec.train_layers)
        self.log_temperature = nn.Parameter(
            torch.tensor(math.log(spec.loss.temperature), device=device), requires_grad=spec.loss.learn_temperature
        )
        self._queries = self._tokens([(pair.query, pair.task) for pair in train])
        self._documents = self._tokens([(pair.document, None) for pair in train])
        self._negatives = [self._tokens([(text, None) for text in pair.negatives]) for pair in train]
        self._most = max((len(one) for one in self._negatives), default=0)
        self._meaning = _Meanings(train, self._most).to(device)

    @property
    def module(self) -> nn.Module:
        return self.reader

    def parameters(self) -> dict[str, nn.Parameter]:
        own = {TEMPERATURE: self.log_temperature} if self.log_temperature.requires_grad else {}
        return {**trained(self.reader), **own}

    def batches(self, epoch: int) -> list[list[int]]:
        settings = self.spec.optimiser
        return batches(range(len(self.pairs)), self._length, settings.batch, self.spec.seed, epoch)

    def inputs(self, members: Sequence[int], at: At) -> tuple[Any, ...]:
        """Token ids and their number, of all rows of the members."""
        rows = [row for one in members for row in (self._queries[one], self._documents[one], *self._negatives[one])]
        return _padded(rows)

    def loss(self, vectors: Tensor, members: Sequence[int], at: At, gather: Gather) -> Mapping[str, Tensor]:
        settings, dims = self.spec.loss, self.model.dims
        queries, documents, negatives = self._by_kind(vectors, members)
        common: dict[str, Any] = {"dims": dims, "weights": settings.dim_weights, "gather": gather}
        if settings.kind == "regression":
            return {"loss": regression(queries, documents, **common)}
        temperature = gather.shared(self.log_temperature).exp()
        here = torch.tensor(members, device=vectors.device)
        same = self._meaning.same(here, gather(here))
        loss = infonce(
            queries,
            documents,
            **common,
            temperature=temperature,
            same_BC=same,
            negatives_BKD=negatives,
            margin=settings.margin,
        )
        return {"loss": loss, "temperature": temperature}

    def judged(self) -> dict[str, NDArray[np.float64]]:
        """The metric of dev queries among all dev documents, by dim; those of equal words are equally right."""
        queries = self._vectors(self._tokens([(pair.query, pair.task) for pair in self.dev]))
        place: dict[str, int] = {}
        right = [place.setdefault(_meaning(pair.document), len(place)) for pair in self.dev]
        texts = {_meaning(pair.document): pair.document for pair in self.dev}
        documents = self._vectors(self._tokens([(texts[meaning], None) for meaning in place]))
        # Every document of an equal query or of the same key is right.
        rights = _rights(self.dev, right)
        return {
            f"{TO_DOCUMENT}@{dim}": self.metric(_prefix(queries, dim) @ _prefix(documents, dim).T, rights)
            for dim in self.model.dims
        }

    def scores(self) -> dict[str, float]:
        means = {name: float(values.mean()) for name, values in self.judged().items()}
        return {SCORE: means[f"{TO_DOCUMENT}@{self.model.dims[0]}"], **means}

    def state(self) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in self.parameters().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        own = self.parameters()
        if set(own) != set(state):
            name = sorted(set(own) ^ set(state))[0]
            raise SpecError(f"these weights do not fit the model: only one of the two has {name}")
        with torch.no_grad():
            for name, value in state.items():
                own[name].copy_(value)

    def names(self, members: Sequence[int]) -> list[str]:
        return [self.pairs[one].key for one in members]

    def _tokens(self, texts: Sequence[tuple[str, str | None]]) -> list[list[int]]:
        """Token ids of documents (task None) and of queries (an empty task is the tower's own); one call per task."""
        found: list[list[int]] = [[] for _ in texts]
        for task in {task for _, task in texts}:
            rows = [i for i, (_, other) in enumerate(texts) if other == task]
            role: Role = "document" if task is None else "query"
            tokens = self.model.text.tokens([texts[i][0] for i in rows], role, task or None)
            for i, ids in zip(rows, tokens, strict=True):
                found[i] = ids
        return found

    def _length(self, member: int) -> int:
        rows = (self._queries[member], self._documents[member], *self._negatives[member])
        return max(len(row) for row in rows)

    def _by_kind(self, vectors: Tensor, members: Sequence[int]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Queries [B, D], documents [B, D], negatives [B, K, D] with zeros for none."""
        sizes = torch.tensor([2 + len(self._negatives[one]) for one in members])
        first = (sizes.cumsum(0) - sizes).to(vectors.device)
        if not self._most:
            return vectors[first], vectors[first + 1], None
        padded = torch.cat([vectors, vectors.new_zeros(1, vectors.shape[1])])
        step = torch.arange(self._most, device=vectors.device)
        exists = step[None] < (sizes.to(vectors.device) - 2)[:, None]
        places = torch.where(exists, first[:, None] + 2 + step[None], len(vectors))
        return vectors[first], vectors[first + 1], padded[places]

    def _vectors(self, tokens: Sequence[Sequence[int]]) -> FloatArray:
        device = next(self.reader.parameters()).device
        out: list[Tensor] = [torch.empty(0)] * len(tokens)
        with torch.inference_mode():
            for group in by_budget([len(one) for one in tokens], TOKENS_AT_ONCE):
                ids, lengths = _padded([tokens[i] for i in group])
                for i, vector in zip(group, self.reader(ids.to(device), lengths.to(device)).float().cpu(), strict=True):
                    out[i] = vector
        found: FloatArray = torch.stack(out).numpy()
        return found


def unfreeze(tower: nn.Module, layers: int | None) -> None:
    """Unfreeze the last `layers` layers of the tower and all modules after them; the whole tower where None."""
    if layers is None:
        tower.requires_grad_(True)
        return
    stack = max((one for one in tower.modules() if isinstance(one, nn.ModuleList)), key=len, default=nn.ModuleList())
    if not layers <= len(stack):
        raise SpecError(f"field 'train_layers' = {layers}: the text tower has {len(stack)} layers")
    first = next(stack[len(stack) - layers].parameters())
    reached = False
    for parameter in tower.parameters():  # in the order of the tower's modules
        reached = reached or parameter is first
        parameter.requires_grad_(reached)


class _Meanings:
    """Pairs of the same meaning: of one key, query or document; and negatives with the words of a document."""

    def __init__(self, pairs: Sequence[Pair], most: int) -> None:
        numbers: dict[str, int] = {}

        def number(text: str) -> int:
            return numbers.setdefault(text, len(numbers))

        self.keys = torch.tensor([number(f"key {pair.key}") for pair in pairs])
        self.queries = torch.tensor([number(_meaning(pair.query)) for pair in pairs])
        self.documents = torch.tensor([number(_meaning(pair.document)) for pair in pairs])
        negatives = [[number(_meaning(text)) for text in pair.negatives] for pair in pairs]
        self.negatives = torch.tensor([[*row, *[-1] * (most - len(row))] for row in negatives]).view(len(pairs), most)

    def to(self, device: str) -> "_Meanings":
        for name, value in vars(self).items():
            setattr(self, name, value.to(device))
        return self

    def same(self, rows_B: Tensor, all_W: Tensor) -> Tensor:
        """[B, W + W * K], True where a candidate is no negative of the row."""
        pairs = torch.zeros(len(rows_B), len(all_W), dtype=torch.bool, device=rows_B.device)
        for ids in (self.keys, self.queries, self.documents):
            pairs |= ids[rows_B][:, None] == ids[all_W][None]
        hard = self.documents[rows_B][:, None] == self.negatives[all_W].flatten()[None]
        return torch.cat([pairs, hard], 1)


def _rights(pairs: Sequence[Pair], documents: Sequence[int]) -> list[set[int]]:
    by_key: dict[str, set[int]] = {}
    by_query: dict[str, set[int]] = {}
    for pair, document in zip(pairs, documents, strict=True):
        by_key.setdefault(pair.key, set()).add(document)
        by_query.setdefault(_meaning(pair.query), set()).add(document)
    return [by_key[pair.key] | by_query[_meaning(pair.query)] for pair in pairs]


def _meaning(text: str) -> str:
    return text_key(text) or text


def _padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    ids = pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    return ids, torch.tensor([len(row) for row in rows])


def _prefix(vectors: FloatArray, dim: int) -> FloatArray:
    found: FloatArray = nn.functional.normalize(torch.from_numpy(vectors[:, :dim]), dim=-1).numpy()
    return found
