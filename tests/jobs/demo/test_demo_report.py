"""The demo's report: one document for programs, and a gate that decides the exit code."""

from pathlib import Path

import pytest

from evaluate.measures.names import NDCG, RECALL
from evaluate.results import Interval
from jobs.demo.demo_questions import SPOKEN, TYPED, Score
from jobs.demo.demo_report import DemoReport, Question, missed_gates

GATES = {SPOKEN: 0.5, TYPED: 0.5}


def score(recall: float) -> Score:
    found = Interval(recall, recall - 0.1, recall + 0.1)
    return Score({RECALL: found, NDCG: found}, {RECALL: 0.01, NDCG: 0.005})


def report(missed: tuple[str, ...] = (), recorded: bool = True) -> DemoReport:
    question = Question("typed en -> fr speech", "hello", None, "archive/fr/a.wav 1.0-2.0 s", 2, (False, True), ())
    return DemoReport(
        folder=Path("demo"), index="demo/index", recorded=recorded, questions=(question,),
        scores={SPOKEN: score(0.7), TYPED: score(0.6)}, by_dim={"typed": {4: Interval(0.5, 0.4, 0.6)}},
        plot=Path("demo/plot.png"), segments=3, hours=0.5, seconds={"embed": 2.0, "total": 3.0}, missed=missed,
    )  # fmt: skip


def test_a_gate_is_missed_below_it_and_not_at_it() -> None:
    assert missed_gates({SPOKEN: score(0.5), TYPED: score(0.6)}, GATES) == ()
    (line,) = missed_gates({SPOKEN: score(0.49), TYPED: score(0.6)}, GATES)
    assert line == "recall@10 of spoken questions is 0.490, under 0.5"


@pytest.mark.parametrize(("missed", "code"), [((), 0), (("a gate",), 4)])
def test_a_missed_gate_is_exit_code_4(missed: tuple[str, ...], code: int) -> None:
    assert report(missed).exit_code == code


def test_the_document_has_plain_numbers() -> None:
    found = report().document()
    assert found["recall_at_10"] == {"spoken": 0.7, "typed": 0.6}
    assert found["ndcg_by_dim"] == {"typed": {"4": 0.5}}
    assert (found["segments"], found["hours"], found["seconds"]) == (3, 0.5, 3.0)
    (question,) = found["questions"]
    assert {"kind", "text", "audio", "expected", "rank"} <= set(question)
    assert question["rank"] == 2


def test_the_words_name_gates_and_stand_ins() -> None:
    assert "gate missed: slow" in report(("slow",)).text()
    assert "synthetic bulletin" in report(recorded=False).text()
