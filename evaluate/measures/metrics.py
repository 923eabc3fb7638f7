"""Metrics: ranks and scores per query, and the expected values of a random ranking.

- Names are those of ir-measures: nDCG@k, R@k (recall), RR@k (whose mean is MRR) and Success@k; gains are binary.
- Values equal those of trec_eval on the same ranking: a test compares them.
- Ties count against the system: a constant score ranks every right answer last.
- NaN is refused: its comparisons are all false, so it would rank first.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import comb, log2

import numpy as np
from numpy.typing import NDArray

from embed.errors import InputError
from evaluate.measures.names import CUTOFF, DEPTH, MEASURES, NDCG, parsed

Scores = NDArray[np.floating]
IntArray = NDArray[np.int64]
Values = NDArray[np.float64]
Relevant = Sequence[Collection[int]] | IntArray

STRICT = 2e-7  # between equal scores of a run, as trec_eval reads 32 bits: it then breaks no tie by its own rule


@dataclass(frozen=True)
class Judged:
    """Rank and measures of each query; all arrays are [q], in the order of `queries`."""

    queries: tuple[str, ...]
    ranks: IntArray  # of the first relevant document, from 1
    values: dict[str, Values]  # measure -> value per query
    tops: tuple[IntArray, ...]  # the first documents of each query, by column; at most `DEPTH`
    top_scores: tuple[Values, ...]  # and their scores


def judge(
    scores: Scores, relevant: Relevant, queries: Sequence[str] | None = None, measures: Sequence[str] = MEASURES
) -> Judged:
    """Ranks and the measures of `scores` [q, n]; `queries` are ids, by default the row numbers."""
    names = tuple(queries) if queries is not None else tuple(map(str, range(len(scores))))
    if len(names) != len(scores) or len(set(names)) != len(names):
        raise InputError(f"{len(scores)} rows of scores require as many distinct query ids, not {len(set(names))}")
    columns = _checked(scores, relevant)
    tops = tuple(_top(row, right, DEPTH) for row, right in zip(scores, columns, strict=True))
    top_scores = tuple(row[top].astype(np.float64) for row, top in zip(scores, tops, strict=True))
    return Judged(names, _ranks(scores, columns), measured(tops, columns, measures), tops, top_scores)


def ranks(scores: Scores, relevant: Relevant) -> IntArray:
    """1-based rank [q] of the first relevant document; on a tie every other document comes before it.

    `scores` [q, n], higher is better, -inf for a document that is no candidate.  `relevant` gives, for each
    query, the relevant columns: a set, or an integer where there is one.
    """
    return _ranks(scores, _checked(scores, relevant))


def _ranks(scores: Scores, columns: Sequence[IntArray]) -> IntArray:
    first = np.empty(len(scores), np.int64)
    for query, right in enumerate(columns):
        best = scores[query, right].max()
        at_least_as_good = scores[query] >= best
        at_least_as_good[right] = False
        first[query] = 1 + at_least_as_good.sum()
    return first


def ndcg_at_10(scores: Scores, relevant: Relevant) -> Values:
    """nDCG@10 [q] with binary gains and the 1 / log2(rank + 1) discount."""
    columns = _checked(scores, relevant)
    tops = [_top(row, right, CUTOFF) for row, right in zip(scores, columns, strict=True)]
    return measured(tops, columns, (NDCG,))[NDCG]


def chance(num_documents: int, num_relevant: int = 1, measures: Sequence[str] = MEASURES) -> dict[str, float]:
    """Expected value of each measure for a random ranking, in closed form.

    Each place has a relevant document with probability num_relevant / num_documents.
    """
    if not 0 < num_relevant <= num_documents:
        raise InputError(
            f"chance requires 1 to {num_documents} relevant documents of {num_documents}, not {num_relevant}"
        )
    return {measure: _chance(*parsed(measure), num_documents, num_relevant) for measure in measures}


def _chance(family: str, k: int, documents: int, right: int) -> float:
    places = min(k, documents)
    if family == "nDCG":
        return right / documents * _discounts(places) / _discounts(min(k, right))
    if family == "R":
        return places / documents
    # Rankings whose first right answer is at a place: the others are somewhere behind it.
    first = [comb(documents - place, right - 1) / comb(documents, right) for place in range(1, places + 1)]
    return sum(share / place for place, share in enumerate(first, start=1)) if family == "RR" else min(sum(first), 1.0)


def measured(tops: Sequence[IntArray], columns: Sequence[IntArray], measures: Sequence[str]) -> dict[str, Values]:
    """Each measure per query, from the first documents of each, and its relevant ones."""
    depth = max((parsed(measure)[1] for measure in measures), default=0)
    hits = np.zeros((len(tops), depth), np.float64)
    for row, top, right in zip(hits, tops, columns, strict=True):
        row[: len(top)] = np.isin(top[:depth], right)
    num_right = np.asarray([len(right) for right in columns])
    return {measure: _of_hits(*parsed(measure), hits, num_right) for measure in measures}


def checked_columns(relevant: Relevant, num_documents: int) -> list[IntArray]:
    """The relevant columns of each query; InputError where there is none, or one that no document has."""
    columns = relevant_columns(relevant)
    for query, right in enumerate(columns):
        if len(right) == 0:
            raise InputError(f"query {query} has no relevant document; remove it from the evaluation")
        if right[0] < 0 or right[-1] >= num_documents:
            raise InputError(f"query {query} has a document outside 0..{num_documents - 1}; check `relevant`")
    return columns


def strictly_descending(scores: Iterable[float]) -> list[float]:
    """Scores in their order, equal ones lowered by so little that no reader breaks the ties by its own rule."""
    found: list[float] = []
    for score in scores:
        found.append(min(float(score), found[-1] - STRICT) if found else float(score))
    return found


def relevant_columns(relevant: Relevant) -> list[IntArray]:
    """The relevant columns of each query, ascending, each once."""
    return [np.unique(np.atleast_1d(np.asarray(_listed(right), dtype=np.int64))) for right in relevant]


def _listed(right: Collection[int] | np.int64 | int) -> list[int] | int:
    return [int(column) for column in right] if isinstance(right, Collection) else int(right)


def _discounts(places: int) -> float:
    return sum(1 / log2(place + 1) for place in range(1, places + 1))


def _checked(scores: Scores, relevant: Relevant) -> list[IntArray]:
    """The relevant columns of each query; InputError where they do not fit the scores."""
    if scores.ndim != 2 or len(scores) != len(relevant):
        raise InputError(f"scores {scores.shape} must have one row per query; `relevant` has {len(relevant)} queries")
    if np.isnan(scores).any():
        raise InputError(f"query {int(np.isnan(scores).any(axis=1).argmax())} has a NaN score; check its vector")
    return checked_columns(relevant, scores.shape[1])


def _top(scores: Scores, right: IntArray, k: int) -> IntArray:
    """The first k columns of one row [n]: scores descend, relevant documents come last among their equals."""
    near: IntArray = np.arange(len(scores))
    if len(scores) > 4 * k:  # sorting the few is quicker than sorting all
        near = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
    order: IntArray = near[np.lexsort((np.isin(near, right), -scores[near]))[:k]]
    return order[scores[order] > -np.inf]


def _of_hits(family: str, k: int, hits: Values, num_right: IntArray) -> Values:
    """One measure [q] of hits [q, depth], which are 1 at the places of right answers."""
    hits = hits[:, :k]
    if family == "nDCG":
        discounts = 1 / np.log2(np.arange(k) + 2)
        ideal: Values = np.cumsum(discounts)[np.minimum(num_right, k) - 1]
        found: Values = np.asarray(hits @ discounts / ideal)
    elif family == "R":
        found = np.divide(hits.sum(axis=1), num_right)
    else:
        found = np.asarray(hits.max(axis=1), np.float64)
        if family == "RR":
            found = np.divide(found, hits.argmax(axis=1) + 1)
    return found
