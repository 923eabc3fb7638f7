"""Metrics: ranks and scores per query, and the expected values of a random ranking.

- Ties count against the system: a constant score ranks every right answer last.
- nDCG@10 and recall@10 are computed by trec_eval, through ir-measures; gains are binary.
- NaN is refused: its comparisons are all false, so it would rank first.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import log2

import ir_measures
import numpy as np
from numpy.typing import NDArray

from embed.errors import InputError

Scores = NDArray[np.floating]
IntArray = NDArray[np.int64]
Values = NDArray[np.float64]
Relevant = Sequence[Collection[int]] | IntArray

CUTOFF = 10
DEPTH = 100  # documents of each query that a run keeps
NDCG, RECALL = "ndcg@10", "recall@10"
MEASURES = (NDCG, RECALL)
STRICT = 2e-7  # between equal scores of a run, as trec_eval reads 32 bits: it then breaks no tie by its own rule

_TREC = {NDCG: ir_measures.nDCG @ CUTOFF, RECALL: ir_measures.R @ CUTOFF}


@dataclass(frozen=True)
class Judged:
    """Rank and measures of each query; all arrays are [q], in the order of `queries`."""

    queries: tuple[str, ...]
    ranks: IntArray  # of the first relevant document, from 1
    values: dict[str, Values]  # measure -> value per query
    tops: tuple[IntArray, ...]  # the first documents of each query, by column; at most `DEPTH`
    top_scores: tuple[Values, ...]  # and their scores


def judge(scores: Scores, relevant: Relevant, queries: Sequence[str] | None = None) -> Judged:
    """Ranks and all measures of `scores` [q, n]; `queries` are ids, by default the row numbers."""
    names = tuple(queries) if queries is not None else tuple(map(str, range(len(scores))))
    if len(names) != len(scores) or len(set(names)) != len(names):
        raise InputError(f"{len(scores)} rows of scores require as many distinct query ids, not {len(set(names))}")
    columns = _checked(scores, relevant)
    tops = tuple(_top(row, right, DEPTH) for row, right in zip(scores, columns, strict=True))
    top_scores = tuple(row[top].astype(np.float64) for row, top in zip(scores, tops, strict=True))
    return Judged(names, ranks(scores, relevant), _trec_eval(tops, columns), tops, top_scores)


def ranks(scores: Scores, relevant: Relevant) -> IntArray:
    """1-based rank [q] of the first relevant document; on a tie every other document comes before it.

    `scores` [q, n], higher is better, -inf for a document that is no candidate.  `relevant` gives, for each
    query, the relevant columns: a set, or an integer where there is one.
    """
    first = np.empty(len(scores), np.int64)
    for query, right in enumerate(_checked(scores, relevant)):
        best = scores[query, right].max()
        at_least_as_good = scores[query] >= best
        at_least_as_good[right] = False
        first[query] = 1 + at_least_as_good.sum()
    return first


def ndcg_at_10(scores: Scores, relevant: Relevant) -> Values:
    """nDCG@10 [q] with binary gains and the 1 / log2(rank + 1) discount."""
    columns = _checked(scores, relevant)
    return _trec_eval([_top(row, right, CUTOFF) for row, right in zip(scores, columns, strict=True)], columns)[NDCG]


def chance(num_documents: int, num_relevant: int = 1, k: int = CUTOFF) -> dict[str, float]:
    """Expected nDCG@k and recall@k of a random ranking, in closed form, under the names `ndcg@k` and `recall@k`.

    Each place has a relevant document with probability num_relevant / num_documents.
    """
    if not 0 < num_relevant <= num_documents:
        raise InputError(
            f"chance requires 1 to {num_documents} relevant documents of {num_documents}, not {num_relevant}"
        )
    places = min(k, num_documents)
    expected_gain = num_relevant / num_documents * _discounts(places)
    return {f"ndcg@{k}": expected_gain / _discounts(min(k, num_relevant)), f"recall@{k}": places / num_documents}


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
    columns = relevant_columns(relevant)
    for query, right in enumerate(columns):
        if len(right) == 0:
            raise InputError(f"query {query} has no relevant document; remove it from the evaluation")
        if right[0] < 0 or right[-1] >= scores.shape[1]:
            raise InputError(f"query {query} has a document outside 0..{scores.shape[1] - 1}; check `relevant`")
    return columns


def _top(scores: Scores, right: IntArray, k: int) -> IntArray:
    """The first k columns of one row [n]: scores descend, relevant documents come last among their equals."""
    is_right = np.zeros(len(scores), bool)
    is_right[right] = True
    order: IntArray = np.lexsort((is_right, -scores))[:k]
    return order[scores[order] > -np.inf]


def _trec_eval(tops: Sequence[IntArray], columns: list[IntArray]) -> dict[str, Values]:
    """Every measure per query.  trec_eval gets the ranks as scores, since it would break ties by name."""
    run = {
        str(query): {str(doc): -float(place) for place, doc in enumerate(top[:CUTOFF])}
        for query, top in enumerate(tops)
    }
    truth = {str(query): {str(doc): 1 for doc in right} for query, right in enumerate(columns)}
    values = {name: np.zeros(len(tops), np.float64) for name in MEASURES}
    named = {measure: name for name, measure in _TREC.items()}
    for one in ir_measures.pytrec_eval.iter_calc(list(named), truth, run):
        values[named[one.measure]][int(one.query_id)] = one.value
    return values
