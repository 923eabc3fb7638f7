"""Quality of a task: several systems' vectors scored on the same questions and the same right answers."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from embed.encoder import FloatArray
from embed.errors import InputError
from evaluate.measures.bootstrap import difference, interval
from evaluate.measures.by_dim import Rows, at_dim, judged_by_dim
from evaluate.measures.headroom import headroom
from evaluate.measures.health import health
from evaluate.measures.metrics import Judged, Relevant, chance, relevant_columns, strictly_descending
from evaluate.measures.names import MEASURES, NDCG
from evaluate.measures.widths import widths_of
from evaluate.results import Health, Interval, Qrels, Run, System, Task, Width

Vectors = FloatArray | Mapping[str, Rows]  # the same for all systems, or by system


def evaluate_task(
    name: str,
    query_vectors: Vectors,
    document_vectors: Vectors,
    relevant: Relevant,
    dims: Sequence[int],
    *,
    baseline: str | None = None,
    excluded: Sequence[Collection[int]] | None = None,
    ids: tuple[Sequence[str], Sequence[str]] | None = None,
    measures: Sequence[str] = MEASURES,
    draws: int = 2000,
    seed: int = 0,
) -> Task:
    """Every system at every dim, with intervals over queries and paired differences to `baseline`.

    Vectors are [q, D] and [n, D], rows in the same order for all systems.  The systems are the keys of the side that is
    a mapping: queries where the question is spoken, documents where the archive is.  `relevant` and `excluded` list,
    for each query, documents by row.  `measures` include nDCG@10.  `ids` of queries and documents give each system its
    run.
    """
    systems = _systems(query_vectors, document_vectors)
    if baseline is not None and baseline not in systems:
        raise InputError(f"{name}: baseline {baseline!r} is not among the systems; give one of {', '.join(systems)}")
    judged = {
        one: judged_by_dim(_of(query_vectors, one), _of(document_vectors, one), relevant, dims, excluded, measures)
        for one in systems
    }
    of_ceiling = headroom(judged, dims, draws, seed)
    measured = tuple(
        System(
            one,
            {dim: _intervals(judged[one][dim], draws, seed) for dim in dims},
            {dim: _differences(judged[one][dim], judged[baseline][dim], draws, seed) for dim in dims}
            if baseline is not None and one != baseline
            else {},
            {
                dim: _differences(judged[one][dim], judged[one][max(dims)], draws, seed)
                for dim in dims
                if dim < max(dims)
            },
            of_ceiling[one],
            *_space(_of(query_vectors, one), _of(document_vectors, one), dims),
            _run(judged[one][max(dims)], *ids) if ids else {},
            ndcg={dim: tuple(judged[one][dim].values[NDCG].tolist()) for dim in dims},
        )
        for one in systems
    )
    documents = len(at_dim(_of(document_vectors, systems[0]), dims[0]))
    by_chance = _mean_chance(relevant, documents, excluded, measures)
    qrels = _qrels(relevant, *ids) if ids else {}
    return Task(name, len(relevant), documents, by_chance, measured, baseline, qrels)


def _space(queries: Rows, documents: Rows, dims: Sequence[int]) -> tuple[dict[int, Width], Health | None]:
    """What widths keep, and the health of the space; nothing of independent heads, and of fewer than two documents."""
    if isinstance(queries, Mapping) or isinstance(documents, Mapping) or len(documents) < 2:
        return {}, None
    return widths_of(queries, documents, dims), health(queries, documents, max(dims))


def _run(judged: Judged, queries: Sequence[str], documents: Sequence[str]) -> Run:
    return {
        query: dict(zip((documents[column] for column in top), strictly_descending(scores), strict=True))
        for query, top, scores in zip(queries, judged.tops, judged.top_scores, strict=True)
    }


def _qrels(relevant: Relevant, queries: Sequence[str], documents: Sequence[str]) -> Qrels:
    columns = relevant_columns(relevant)
    return {query: {documents[one]: 1 for one in right} for query, right in zip(queries, columns, strict=True)}


def _systems(queries: Vectors, documents: Vectors) -> tuple[str, ...]:
    names = [tuple(side) for side in (queries, documents) if isinstance(side, Mapping)]
    if not names or not names[0]:
        raise InputError("no system to evaluate; give query or document vectors as {system: array}")
    if set(names[0]) != set(names[-1]):
        raise InputError(
            f"queries are of systems {', '.join(names[0])}, documents of {', '.join(names[-1])}; give the same systems"
        )
    return names[0]


def _of(vectors: Vectors, system: str) -> Rows:
    return vectors[system] if isinstance(vectors, Mapping) else vectors


def _intervals(judged: Judged, draws: int, seed: int) -> dict[str, Interval]:
    return {measure: interval(values, draws, seed) for measure, values in judged.values.items()}


def _differences(ours: Judged, theirs: Judged, draws: int, seed: int) -> dict[str, Interval]:
    return {measure: difference(values, theirs.values[measure], draws, seed) for measure, values in ours.values.items()}


def _mean_chance(
    relevant: Relevant, documents: int, excluded: Sequence[Collection[int]] | None, measures: Sequence[str]
) -> dict[str, float]:
    """Chance over the queries, each with its own number of right answers among its own candidates."""
    left_out = [len(set(one)) for one in excluded] if excluded is not None else [0] * len(relevant)
    kinds = Counter(
        (documents - out, len(right)) for out, right in zip(left_out, relevant_columns(relevant), strict=True)
    )
    each = {kind: chance(*kind, measures) for kind in kinds}
    return {
        measure: sum(each[kind][measure] * count for kind, count in kinds.items()) / len(relevant)
        for measure in measures
    }
