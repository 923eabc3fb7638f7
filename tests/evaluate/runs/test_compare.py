"""Comparison of runs: values as pytrec_eval has them, what is missing counts as 0, nothing is lost in silence."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.errors import InputError, SpecError
from evaluate.runs.compare import compare

QRELS = {f"q{row}": {f"d{row}": 1} for row in range(30)}
RIGHT = {f"q{row}": {f"d{row}": 1.0, "other": 0.5} for row in range(30)}
WRONG = {f"q{row}": {"other": 1.0, f"d{row}": 0.5} for row in range(30)}


@pytest.mark.slow
def test_the_better_run_is_found_better() -> None:
    found = compare({"wrong": WRONG, "right": RIGHT}, QRELS)
    assert (found.queries, found.notes) == (30, ())
    wrong, right = found.measures["RR"].values()
    assert (wrong.mean.mean, right.mean.mean) == (0.5, 1.0)
    assert right.difference is not None
    assert right.difference.mean == 0.5
    assert right.p is not None
    assert right.p < 0.001
    assert (wrong.exceeds, right.exceeds) == ("", "a")
    assert (wrong.difference, wrong.p) == (None, None)


@pytest.mark.slow
def test_what_is_missing_counts_and_is_named() -> None:
    qrels = {**QRELS, "empty": {"d1": 0}}
    half = {query: answers for query, answers in RIGHT.items() if query < "q2"}
    found = compare({"right": {**RIGHT, "unasked": {"d1": 1.0}}, "half": half}, qrels)
    assert found.queries == 30
    assert found.measures["Success@1"]["half"].mean.mean == pytest.approx(len(half) / 30)
    assert found.notes == (
        "qrels: 1 query without a relevant document, left out",
        "right: 1 query without qrels, passed over",
        f"half: {30 - len(half)} of 30 queries have no answer and count as 0",
    )


def test_refuses_other_tasks_and_unknown_measures() -> None:
    with pytest.raises(InputError, match=r"other: no query of the run is among the qrels \('x' here, 'q0' in"):
        compare({"right": RIGHT, "other": {"x": {"d": 1.0}}}, QRELS)
    for name in ("foo", "nDCG@", "nDCG@x", "RBP", '__import__("os").getcwd()'):
        with pytest.raises(SpecError, match="no measure is called"):
            compare({"right": RIGHT}, QRELS, [name])


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_values_are_those_of_pytrec_eval(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    qrels = {f"q{i}": {f"d{j}": int(rng.integers(0, 3)) for j in rng.choice(20, 4)} for i in range(8)}
    qrels["q0"] = {"d0": 1}
    runs = {
        f"q{i}": {f"d{j}": float(np.round(rng.random(), 1)) for j in rng.choice(20, rng.integers(1, 12))}
        for i in range(8)
    }
    judged = {query: grades for query, grades in qrels.items() if max(grades.values()) > 0}
    for measure in ("nDCG@5", "nDCG@10", "R@5", "RR", "AP", "Success@5", "P@10"):
        parsed = ir_measures.parse_measure(measure)
        theirs = ir_measures.pytrec_eval.calc_aggregate([parsed], judged, runs)[parsed]
        ours = compare({"run": runs}, qrels, [measure], draws=100).measures[measure]["run"].mean.mean
        assert ours == pytest.approx(theirs, abs=1e-6)
