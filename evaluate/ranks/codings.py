"""Codings of a system: the quality of every code at every size, next to the full vectors."""

from collections.abc import Collection, Sequence

import numpy as np

from embed.encoder import FloatArray
from evaluate.measures.bootstrap import difference, interval
from evaluate.measures.by_dim import judged_at
from evaluate.measures.metrics import Judged, Relevant, relevant_columns
from evaluate.measures.names import NDCG
from evaluate.ranks.codes import CODES, VALUE_BYTES
from evaluate.results import Coding

FEWEST_ROWS = 32  # to fit codes on
MOST_ROWS = 20_000  # to fit codes on: bounds time
HALVINGS = 6
NEIGHBOURS = 10


def codings_of(
    queries: FloatArray,
    documents: FloatArray,
    relevant: Relevant,
    rows: FloatArray,
    *,
    excluded: Sequence[Collection[int]] | None = None,
    codes: Sequence[str] = tuple(CODES),
    sizes: Sequence[int] | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[Coding, ...]:
    """Every code of unit vectors `documents` [n, D] at every size, fitted on `rows` [m, D], by nDCG@10.

    Nothing for fewer rows than can be fitted on.  The same vectors and seed give the same codings.
    """
    if len(rows) < FEWEST_ROWS:
        return ()
    if len(rows) > MOST_ROWS:
        rows = rows[np.sort(np.random.default_rng(seed).choice(len(rows), MOST_ROWS, replace=False))]
    sizes = sizes or default_sizes(queries.shape[1])
    full = judged_at(queries, documents, relevant, excluded, (NDCG,))
    found = []
    for name in codes:
        for size, asked, kept in CODES[name](rows, queries, documents, sizes, seed):
            here = judged_at(asked, kept, relevant, excluded, (NDCG,))
            found.append(
                Coding(
                    name,
                    size,
                    interval(here.values[NDCG], draws, seed),
                    difference(here.values[NDCG], full.values[NDCG], draws, seed),
                    overlap(full, here),
                )
            )
    return tuple(found)


def default_sizes(width: int) -> tuple[int, ...]:
    """The bytes of a full vector in float16, and halves of it."""
    return tuple(size for step in range(HALVINGS + 1) if (size := VALUE_BYTES * width >> step) >= VALUE_BYTES)


def other_rows(documents: FloatArray, relevant: Relevant) -> FloatArray:
    """The documents that answer none of the questions."""
    right = np.unique(np.concatenate([*relevant_columns(relevant), np.empty(0, np.int64)]))
    found: FloatArray = np.delete(documents, right, axis=0)
    return found


def overlap(full: Judged, here: Judged) -> float:
    """Of the ten first documents of the full vectors, the share that is among the ten here."""
    pairs = zip(full.tops, here.tops, strict=True)
    return float(np.mean([np.isin(one[:NEIGHBOURS], other[:NEIGHBOURS]).mean() for one, other in pairs if len(one)]))


def best_of(codings: Sequence[Coding]) -> list[Coding]:
    """The codings that no other exceeds with as few bytes, the smallest first."""
    found: list[Coding] = []
    for one in sorted(codings, key=lambda one: (one.bytes, -one.quality.mean)):
        if not found or one.quality.mean > found[-1].quality.mean:
            found.append(one)
    return found
