"""The losses once more, as slow loops over plain numbers: what the fast ones must equal."""

from collections.abc import Sequence
from math import exp, log, sqrt

Rows = Sequence[Sequence[float]]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / sqrt(sum(a * a for a in one)) / sqrt(sum(b * b for b in other))


def one_way(
    asking: Rows,
    candidates: Rows,
    positives: Sequence[int],
    *,
    dims: Sequence[int],
    weights: Sequence[float] | None = None,
    temperature: float = 0.05,
    unfair: Sequence[Sequence[bool]] | None = None,
    margin: float | None = None,
) -> float:
    """Each row's cross-entropy of its positive, mean over rows, weighted mean over dims."""
    shares = weights or [1.0] * len(dims)
    total = 0.0
    for dim, share in zip(dims, shares, strict=True):
        for i, row in enumerate(asking):
            right = exp(cosine(row[:dim], candidates[positives[i]][:dim]) / temperature)
            others = 0.0
            for j, candidate in enumerate(candidates):
                wide = max(dims)
                above = cosine(row[:wide], candidate[:wide]) - cosine(row[:wide], candidates[positives[i]][:wide])
                left_out = (unfair and unfair[i][j]) or (margin is not None and above > margin)
                if j != positives[i] and not left_out:
                    others += exp(cosine(row[:dim], candidate[:dim]) / temperature)
            total -= share * log(right / (right + others))
    return total / len(asking) / sum(shares)


def regression(vectors: Rows, targets: Rows, dims: Sequence[int]) -> float:
    total = 0.0
    for dim in dims:
        for one, other in zip(vectors, targets, strict=True):
            error = sum(abs(a - b) for a, b in zip(one[:dim], other[:dim], strict=True)) / dim
            total += error + log(1 + exp(-cosine(one[:dim], other[:dim])))
    return total / len(vectors) / len(dims)
