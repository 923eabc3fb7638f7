from math import log2

import ir_measures
import numpy as np
import pytest

from embed.errors import InputError
from evaluate.measures.metrics import Judged, Scores, chance, judge, ndcg_at_10, ranks
from evaluate.measures.names import NDCG, RECALL


def places(*right: int, of: int = 20) -> Scores:
    """One query whose documents 0, 1, 2... are ranked so that document i stands at place right[i]."""
    scores = np.zeros((1, of))
    rest = [place for place in range(1, of + 1) if place not in right]
    for document, place in enumerate([*right, *rest]):
        scores[0, document] = -place
    return scores


@pytest.mark.parametrize(("place", "value"), [(1, 1.0), (2, 1 / log2(3)), (3, 0.5), (10, 1 / log2(11)), (11, 0.0)])
def test_one_right_answer_by_hand(place: int, value: float) -> None:
    scores = places(place)
    assert ranks(scores, [{0}]).tolist() == [place]
    assert ndcg_at_10(scores, [{0}]) == pytest.approx([value])
    assert judge(scores, [{0}]).values[RECALL].tolist() == [float(place <= 10)]


def test_two_right_answers_by_hand() -> None:
    """At places 1 and 3: (1 + 1/2) / (1 + 1/log2(3)); at places 2 and 15: half is found."""
    assert ndcg_at_10(places(1, 3), [{0, 1}]) == pytest.approx([1.5 / (1 + 1 / log2(3))])
    assert ndcg_at_10(places(2, 15), [{0, 1}]) == pytest.approx([(1 / log2(3)) / (1 + 1 / log2(3))])
    assert judge(places(2, 15), [{0, 1}]).values[RECALL].tolist() == [0.5]
    assert ranks(places(15, 2), [{0, 1}]).tolist() == [2]


def test_constant_scorer_comes_last() -> None:
    scores = np.ones((3, 20))
    relevant = np.array([0, 10, 19])
    assert ranks(scores, relevant).tolist() == [20, 20, 20]
    assert ndcg_at_10(scores, relevant).tolist() == [0, 0, 0]
    assert judge(scores, relevant).values[RECALL].tolist() == [0, 0, 0]


def test_a_tie_costs_a_place() -> None:
    scores = np.array([[0.9, 0.9, 0.1]])
    assert ranks(scores, [{0}]).tolist() == [2]
    assert ndcg_at_10(scores, [{0}]) == pytest.approx([1 / log2(3)])
    assert ranks(scores, [{0, 1}]).tolist() == [1], "right answers do not stand in each other's way"


def test_no_candidate_is_never_found() -> None:
    scores = np.array([[0.9, -np.inf, -np.inf]])
    assert judge(scores, [{1}]).values[RECALL].tolist() == [0]


def test_equals_the_plain_formula_on_random_ties() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 12, size=(60, 30)).astype(np.float32)
    relevant = [set(rng.choice(30, size=rng.integers(1, 13), replace=False).tolist()) for _ in range(60)]
    judged = judge(scores, relevant)
    for query, right in enumerate(relevant):
        order = sorted(range(30), key=lambda doc: (-scores[query, doc], doc in right))
        hits = [place for place, doc in enumerate(order, start=1) if doc in right]
        gain = sum(1 / log2(place + 1) for place in hits if place <= 10)
        ideal = sum(1 / log2(place + 1) for place in range(1, min(len(right), 10) + 1))
        assert judged.ranks[query] == hits[0]
        assert judged.values[NDCG][query] == pytest.approx(gain / ideal)
        assert judged.values[RECALL][query] == pytest.approx(sum(place <= 10 for place in hits) / len(right))


def test_judged_keeps_the_order_of_the_queries() -> None:
    """Twelve queries: sorted as text, "10" would come before "2"."""
    scores = np.concatenate([places(place) for place in range(1, 13)])
    judged = judge(scores, np.zeros(12, np.int64), queries=[f"q{number}" for number in range(12)])
    assert isinstance(judged, Judged)
    assert judged.queries[:2] == ("q0", "q1")
    assert judged.ranks.tolist() == list(range(1, 13))
    assert judged.values[RECALL].tolist() == [1.0] * 10 + [0.0] * 2


def test_chance_by_hand() -> None:
    """Ten of 500 places; one of one; with all documents relevant everything is right."""
    both = (NDCG, RECALL)
    assert chance(500)[RECALL] == pytest.approx(0.02)
    assert chance(1, 1, both) == pytest.approx({NDCG: 1.0, RECALL: 1.0})
    assert chance(20, 20, both) == pytest.approx({NDCG: 1.0, RECALL: 0.5})
    assert chance(2, 1, ("nDCG@1", "R@1")) == pytest.approx({"nDCG@1": 0.5, "R@1": 0.5})
    # One right answer of two: at place 1 or 2 equally often.  Two of four: the first is right in half of the rankings.
    assert chance(2, 1, ("RR@10", "RR@1", "Success@1")) == pytest.approx({"RR@10": 0.75, "RR@1": 0.5, "Success@1": 0.5})
    assert chance(4, 2, ("Success@1", "Success@2", "Success@3")) == pytest.approx(
        {"Success@1": 1 / 2, "Success@2": 5 / 6, "Success@3": 1.0}
    )


@pytest.mark.slow
@pytest.mark.parametrize(("documents", "right"), [(40, 1), (40, 3), (15, 12), (6, 2)])
def test_chance_equals_a_simulation(documents: int, right: int) -> None:
    scores = np.random.default_rng(0).random((4000, documents))
    relevant = [set(range(right))] * 4000
    found = judge(scores, relevant).values
    assert {name: values.mean() for name, values in found.items()} == pytest.approx(chance(documents, right), abs=0.015)


def drawn(seed: int) -> tuple[Scores, list[set[int]]]:
    """Scores with and without ties, one document to 300, one right answer to all, rows that are no candidates."""
    rng = np.random.default_rng(seed)
    queries, documents = int(rng.integers(1, 12)), int(rng.choice([1, 2, 9, 10, 11, 99, 100, 101, 300]))
    scores = rng.normal(size=(queries, documents))
    if seed % 3 == 0:
        scores = np.round(scores * rng.choice([0, 1, 3]))  # constant, or many ties
    if seed % 4 == 0:
        scores[rng.random(scores.shape) < 0.3] = -np.inf
    most = documents if seed % 2 else min(documents, 3)
    return scores, [set(rng.choice(documents, rng.integers(1, most + 1), False).tolist()) for _ in range(queries)]


def test_equals_ir_measures_on_random_and_degenerate_runs() -> None:
    """Every family and cutoff, from the ranking that was judged; without ties also from the scores themselves."""
    names = [f"{family}@{k}" for family in ("nDCG", "R", "RR", "Success") for k in (1, 5, 10, 100)]
    measures = {ir_measures.parse_measure(name): name for name in names}
    for seed in range(60):
        scores, relevant = drawn(seed)
        judged = judge(scores, relevant, measures=names)
        qrels = {str(query): {str(one): 1 for one in right} for query, right in enumerate(relevant)}
        runs = [[{str(one): -float(place) for place, one in enumerate(top)} for top in judged.tops]]
        if seed % 3:
            runs.append([{str(one): row[one] for one in np.flatnonzero(row > -np.inf)} for row in scores])
        for run in runs:
            answered = {str(query): answers for query, answers in enumerate(run) if answers}
            expected = {name: np.zeros(len(scores)) for name in names}
            for one in ir_measures.iter_calc(list(measures), qrels, answered):
                expected[measures[one.measure]][int(one.query_id)] = one.value
            for name in names:
                assert judged.values[name] == pytest.approx(expected[name], abs=1e-6), (seed, name)


def test_refuses_what_cannot_be_judged() -> None:
    with pytest.raises(InputError, match="query 1 has a NaN score"):
        judge(np.array([[1.0, 0.0], [np.nan, 0.0]]), [{0}, {0}])
    with pytest.raises(InputError, match="query 0 has no relevant document"):
        judge(np.ones((1, 2)), [set()])
    with pytest.raises(InputError, match=r"outside 0\.\.1"):
        judge(np.ones((1, 2)), [{2}])
    with pytest.raises(InputError, match="one row per query"):
        judge(np.ones((2, 2)), [{0}])
    with pytest.raises(InputError, match="distinct query ids"):
        judge(np.ones((2, 2)), [{0}, {0}], queries=["a", "a"])
    with pytest.raises(InputError, match="relevant"):
        chance(5, 6)
