"""Scores of a task: its systems at every width, and what their vectors keep in few ranks, bits and atoms."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from embed.encoder import FloatArray, truncate
from embed.errors import InputError
from embed.storage import store
from evaluate.measures.bootstrap import difference, interval
from evaluate.measures.by_dim import Rows, judged_by_dim
from evaluate.measures.metrics import Relevant
from evaluate.measures.names import NDCG
from evaluate.measures.quality import Vectors, evaluate_task
from evaluate.models import Models
from evaluate.ranks.codings import codings_of, other_rows
from evaluate.ranks.projector import parameters
from evaluate.ranks.spec import RanksSpec
from evaluate.results import Coding, ProjectorRank, Task
from evaluate.vectors import FUSED, rank_of

MOST_LINES = 20_000  # of the texts that codes are fitted on
MOST_BYTES = 64 << 20


def scored(
    models: Models,
    name: str,
    query_vectors: Vectors,
    document_vectors: Vectors,
    relevant: Relevant,
    *,
    excluded: Sequence[Collection[int]] | None = None,
    ids: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Task:
    """As `evaluate_task`, by the settings of the spec; vectors of projectors of few ranks may be among the systems'."""
    spec = models.spec
    dims = spec.dims or models.model.dims
    sides = without_ranks(query_vectors), without_ranks(document_vectors)
    task = evaluate_task(
        name,
        *sides,
        relevant,
        dims,
        baseline=spec.compared_to,
        excluded=excluded,
        ids=ids,
        measures=spec.measures,
        draws=spec.draws,
        seed=spec.seed,
    )
    if spec.ranks is None:
        return task
    coded = spec.ranks.systems or spec.systems[:1]
    systems = []
    for system in task.systems:
        codings: tuple[Coding, ...] = ()
        if system.name in coded:
            asked, kept = (_of(side, system.name) for side in sides)
            codings = _codings(models, spec.ranks, asked, kept, relevant, excluded)
        ranks: tuple[ProjectorRank, ...] = ()
        if system.name == FUSED and spec.ranks.projector:
            ranks = _ranks(models, (query_vectors, document_vectors), relevant, dims, excluded)
        systems.append(replace(system, codings=codings, ranks=ranks))
    return replace(task, systems=tuple(systems))


def without_ranks(vectors: Vectors) -> Vectors:
    """Vectors of the systems, without those of projectors of few ranks."""
    if not isinstance(vectors, Mapping):
        return vectors
    return {name: rows for name, rows in vectors.items() if rank_of(name) is None}


def _of(vectors: Vectors, name: str) -> Rows:
    return vectors[name] if isinstance(vectors, Mapping) else vectors


def _codings(
    models: Models,
    ranks: RanksSpec,
    queries: Rows,
    documents: Rows,
    relevant: Relevant,
    excluded: Sequence[Collection[int]] | None,
) -> tuple[Coding, ...]:
    """Nothing of independent heads, whose prefixes mean nothing."""
    if isinstance(queries, Mapping) or isinstance(documents, Mapping):
        return ()
    full = max(models.spec.dims or models.model.dims)
    rows = other_rows(documents, relevant) if ranks.texts is None else _texts(models, ranks.texts)
    return codings_of(
        truncate(queries, full),
        truncate(documents, full),
        relevant,
        truncate(rows, full),
        excluded=excluded,
        codes=ranks.codes,
        sizes=ranks.sizes,
        draws=models.spec.draws,
        seed=models.spec.seed,
    )


def _texts(models: Models, url: str) -> FloatArray:
    """Vectors of the lines of a file.  Raises InputError."""
    with store.open_input(url) as stream:
        lines = stream.read(MOST_BYTES).decode("utf-8", errors="replace").splitlines()
    texts = list(dict.fromkeys(line.strip() for line in lines if line.strip()))[:MOST_LINES]
    if not texts:
        raise InputError(f"field 'ranks.texts' = {url!r}: the file has no texts; give one text a line")
    return models.encode_texts("model", texts, "document")


def _ranks(
    models: Models,
    sides: tuple[Vectors, Vectors],
    relevant: Relevant,
    dims: Sequence[int],
    excluded: Sequence[Collection[int]] | None,
) -> tuple[ProjectorRank, ...]:
    """Late fusion with projectors of few ranks, next to the whole projector."""
    found = []
    names = next(list(side) for side in sides if isinstance(side, Mapping))
    queries, documents = (_of(side, FUSED) for side in sides)
    whole = judged_by_dim(queries, documents, relevant, dims, excluded, (NDCG,))
    for name in names:
        rank = rank_of(name)
        if rank is None:
            continue
        queries, documents = (
            side[name if name in side else FUSED] if isinstance(side, Mapping) else side for side in sides
        )
        here = judged_by_dim(queries, documents, relevant, dims, excluded, (NDCG,))
        values = {dim: one.values[NDCG] for dim, one in here.items()}
        draws, seed = models.spec.draws, models.spec.seed
        loss = difference(values[max(dims)], whole[max(dims)].values[NDCG], draws, seed)
        by_dim = {dim: interval(one, draws, seed) for dim, one in values.items()}
        found.append(ProjectorRank(rank, parameters(models.model, rank), by_dim, loss))
    return tuple(found)
