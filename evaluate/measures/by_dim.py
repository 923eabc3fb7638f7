"""Quality at every declared width: vectors are cut to a prefix, normalised to unit length, and scored."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from embed.encoder import FloatArray, truncate
from embed.errors import InputError
from evaluate.measures.bootstrap import Values
from evaluate.measures.metrics import IntArray, Judged, Relevant, checked_columns, measured
from evaluate.measures.names import DEPTH, MEASURES

BLOCK = 256  # queries scored at once: bounds memory, changes no value
# Vectors of one system: [n, D], whose prefixes are used at every dim, or for each dim an array [n, dim], or a longer
# one whose products are scores (`evaluate.mixed`).
Rows = FloatArray | Mapping[int, FloatArray]
ERROR = 4e-6  # largest error of a product of unit vectors in 32 bits; that of 384 values is below 1e-6
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
    if not isinstance(query_vectors, Mapping) and not isinstance(document_vectors, Mapping):
        _check(query_vectors, document_vectors, dims)
    return {
        dim: judged_at(at_dim(query_vectors, dim), at_dim(document_vectors, dim), relevant, excluded, measures)
        for dim in dims
    }


def at_dim(vectors: Rows, dim: int) -> FloatArray:
    """Unit vectors [n, dim], or longer ones whose products are scores.  InputError where there are none."""
    if not isinstance(vectors, Mapping):
        return truncate(vectors, dim)
    if dim not in vectors:
        raise InputError(f"this system has no vectors of width {dim}; choose dims of {', '.join(map(str, vectors))}")
    found = vectors[dim]
    return truncate(found, dim) if found.shape[1] == dim else found


def judged_at(
    queries: FloatArray,
    documents: FloatArray,
    relevant: Relevant,
    excluded: Sequence[Collection[int]] | None = None,
    measures: Sequence[str] = MEASURES,
) -> Judged:
    """Products of `queries` [q, d] with `documents` [n, d], which the caller has scaled, judged.

    Products are of 32 bits; those that decide an order or a tie are computed again in 64.
    """
    if len(relevant) != len(queries):
        raise InputError(f"{len(queries)} queries; `relevant` has {len(relevant)}: give one entry for each query")
    columns = checked_columns(relevant, len(documents))
    norms = [float(np.linalg.norm(one, axis=1).max()) for one in (queries, documents)]
    if not np.isfinite(norms).all():
        raise InputError("a vector of a query or a document has a value that is NaN or infinite; check the encoder")
    margin = ERROR * norms[0] * norms[1]
    rows: list[tuple[IntArray, Values, int]] = []
    for start in range(0, len(queries), BLOCK):
        scores_QN = queries[start : start + BLOCK] @ documents.T
        for query, scores in enumerate(scores_QN, start):
            if excluded is not None:
                scores[list(excluded[query])] = -np.inf
            rows.append(_exact(queries[query].astype(np.float64), documents, scores, columns[query], margin))
    tops, top_scores = tuple(top for top, _, _ in rows), tuple(scores for _, scores, _ in rows)
    names = tuple(map(str, range(len(rows))))
    return Judged(names, np.asarray([rank for *_, rank in rows]), measured(tops, columns, measures), tops, top_scores)


def _exact(
    query: Values, documents: FloatArray, scores: FloatArray, right: IntArray, margin: float
) -> tuple[IntArray, Values, int]:
    """The first documents of one query, their scores, and the rank of the first relevant one."""

    def products(columns: IntArray) -> Values:
        return np.where(
            scores[columns] > -np.inf, np.round(documents[columns].astype(np.float64) @ query, DECIMALS), -np.inf
        )

    floor = np.partition(scores, -DEPTH)[-DEPTH] - margin if len(scores) > 4 * DEPTH else -np.inf
    near: IntArray = np.flatnonzero((scores >= floor) & (scores > -np.inf))
    exact, is_right = products(near), np.isin(near, right)
    order = np.lexsort((is_right, -exact))[:DEPTH]
    best = products(right).max()
    if best == -np.inf:
        rank = 1 + len(scores) - len(right)
    elif best - margin > floor:
        rank = 1 + int(((exact >= best) & ~is_right).sum())
    else:
        close: IntArray = np.flatnonzero(np.abs(scores - best) <= margin)
        as_good = np.union1d(np.flatnonzero(scores > best + margin), close[products(close) >= best])
        rank = 1 + len(np.setdiff1d(as_good, right, assume_unique=True))
    return near[order], exact[order], rank


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
