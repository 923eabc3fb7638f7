"""Quality at every declared width: vectors are cut to a prefix, normalised to unit length, and scored."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from embed.encoder import FloatArray, truncate
from embed.errors import InputError
from evaluate.measures.bootstrap import Values
from evaluate.measures.metrics import MEASURES, IntArray, Judged, Relevant, judge

BLOCK = 256  # queries scored at once: bounds memory, changes no value
# Vectors of one system: [n, D], whose prefixes are used at every dim, or for each dim an array [n, dim].
Rows = FloatArray | Mapping[int, FloatArray]
DECIMALS = 7  # the precision of a cosine of float32 vectors; smaller differences are ties


def judged_by_dim(
    query_vectors: Rows,
    document_vectors: Rows,
    relevant: Relevant,
    dims: Sequence[int],
    excluded: Sequence[Collection[int]] | None = None,
    measures: Sequence[str] = MEASURES,
) -> dict[int, Judged]:
    """Cosine search of `query_vectors` [q, D] in `document_vectors` [n, D] at each of `dims`.

    `excluded` lists, for each query, documents that are no candidates (a recording must not find itself).
    """
    if isinstance(query_vectors, Mapping) or isinstance(document_vectors, Mapping):
        pairs = {dim: (at_dim(query_vectors, dim), at_dim(document_vectors, dim)) for dim in dims}
    else:
        _check(query_vectors, document_vectors, dims)
        pairs = dict.fromkeys(dims, (query_vectors, document_vectors))
    return {
        dim: judged_at(truncate(queries, dim), truncate(documents, dim), relevant, excluded, measures)
        for dim, (queries, documents) in pairs.items()
    }


def at_dim(vectors: Rows, dim: int) -> FloatArray:
    """Unit vectors [n, dim].  InputError where the system has none of that width."""
    if not isinstance(vectors, Mapping):
        return truncate(vectors, dim)
    if dim not in vectors:
        raise InputError(f"this system has no vectors of width {dim}; choose dims of {', '.join(map(str, vectors))}")
    return vectors[dim]


def judged_at(
    queries: FloatArray,
    documents: FloatArray,
    relevant: Relevant,
    excluded: Sequence[Collection[int]] | None = None,
    measures: Sequence[str] = MEASURES,
) -> Judged:
    """Products of `queries` [q, d] with `documents` [n, d], which the caller has scaled, judged."""
    queries_QD, documents_ND = queries.astype(np.float64), documents.astype(np.float64)
    parts = []
    for start in range(0, len(queries_QD), BLOCK):
        block = slice(start, start + BLOCK)
        scores_QN = np.round(queries_QD[block] @ documents_ND.T, DECIMALS)
        if excluded is not None:
            for row, left_out in zip(scores_QN, excluded[block], strict=True):
                row[list(left_out)] = -np.inf
        parts.append(judge(scores_QN, relevant[block], measures=measures))
    return _joined(parts)


def _joined(parts: list[Judged]) -> Judged:
    ranks: IntArray = np.concatenate([part.ranks for part in parts])
    values: dict[str, Values] = {
        name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values
    }
    tops = tuple(top for part in parts for top in part.tops)
    top_scores = tuple(scores for part in parts for scores in part.top_scores)
    return Judged(tuple(map(str, range(len(ranks)))), ranks, values, tops, top_scores)


def _check(queries: FloatArray, documents: FloatArray, dims: Sequence[int]) -> None:
    if queries.ndim != 2 or documents.ndim != 2 or queries.shape[1] != documents.shape[1]:
        raise InputError(f"queries {queries.shape} and documents {documents.shape} must have the same width")
    if len(queries) == 0 or len(documents) == 0:
        raise InputError(f"nothing to score: {len(queries)} queries, {len(documents)} documents; check the sources")
    wrong = [dim for dim in dims if not 0 < dim <= queries.shape[1]]
    if wrong or not dims:
        raise InputError(
            f"dims {wrong} do not fit vectors of width {queries.shape[1]}; choose dims of 1..{queries.shape[1]}"
        )
