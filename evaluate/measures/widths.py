"""What prefixes of vectors keep: variance, effective rank, and the neighbours of the full width."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray, truncate
from embed.errors import InputError
from evaluate.results import Width

IntArray = NDArray[np.int64]

NEIGHBOURS = 10
MOST = 2000  # queries and rows of a spectrum: bounds time; a fixed sample
BYTES = 2  # of a number in a dataset: float16


def widths_of(
    query_vectors: FloatArray, document_vectors: FloatArray, dims: Sequence[int], seed: int = 0
) -> dict[int, Width]:
    """Measures of each width of `dims` for queries [q, D] in documents [n, D], over at most 2,000 of each.

    Effective rank: Roy and Vetterli, EUSIPCO 2007.  Raises InputError for fewer than two documents.
    """
    if len(document_vectors) < 2:
        raise InputError(f"{len(document_vectors)} documents have no spectrum; give two or more")
    rng = np.random.default_rng(seed)
    queries, rows = _sample(query_vectors, rng), _sample(document_vectors, rng)
    full = max(dims)
    k = min(NEIGHBOURS, len(document_vectors))
    nearest = _nearest(queries, document_vectors, full, k)
    variance = rows.astype(np.float64).var(axis=0)
    total = variance[:full].sum()
    return {
        dim: Width(
            BYTES * dim,
            float(variance[:dim].sum() / total) if total else 0.0,
            effective_rank(truncate(rows, dim)),
            _overlap(nearest, _nearest(queries, document_vectors, dim, k)),
        )
        for dim in dims
    }


def effective_rank(vectors: FloatArray) -> float:
    """exp of the entropy of the normalised spectrum of centred `vectors` [n, d]; 1 for a line, d for a sphere."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    power = np.linalg.svd(centred, compute_uv=False) ** 2
    if not power.sum():
        return 1.0
    share = power[power > 0] / power.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _overlap(full: IntArray, narrow: IntArray) -> float:
    return float(np.mean([np.isin(one, other).mean() for one, other in zip(full, narrow, strict=True)]))


def _nearest(queries: FloatArray, documents: FloatArray, dim: int, k: int) -> IntArray:
    scores = truncate(queries, dim) @ truncate(documents, dim).T
    found: IntArray = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return found


def _sample(vectors: FloatArray, rng: np.random.Generator) -> FloatArray:
    return vectors if len(vectors) <= MOST else vectors[np.sort(rng.choice(len(vectors), MOST, replace=False))]
