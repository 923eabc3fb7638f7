"""Comparison of runs: measures with intervals, paired differences to the first run, significance of every pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ir_measures
import numpy as np
from numpy.typing import NDArray

from embed.errors import InputError, SpecError
from evaluate.measures.bootstrap import difference, interval
from evaluate.measures.significance import letters, pairwise_p
from evaluate.results import Interval, Qrels, Run

Values = NDArray[np.float64]

MEASURES = ("nDCG@10", "R@10", "RR", "Success@1")
DRAWS = 2000


@dataclass(frozen=True)
class RunMeasure:
    """One measure of one run."""

    mean: Interval
    difference: Interval | None  # this - the first run, paired by query; None for the first
    p: float | None  # of that difference, adjusted for all pairs
    exceeds: str  # letters of the runs that this one exceeds significantly


@dataclass(frozen=True)
class Comparison:
    """Runs on one set of qrels: {measure: {run: values}}, and what was left out."""

    name: str
    queries: int
    measures: dict[str, dict[str, RunMeasure]]
    notes: tuple[str, ...] = field(default=())

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "queries": self.queries,
            "notes": list(self.notes),
            "measures": {
                measure: [
                    {
                        "run": run,
                        "mean": vars(one.mean),
                        "difference": vars(one.difference) if one.difference else None,
                        "p": one.p,
                        "exceeds": one.exceeds,
                    }
                    for run, one in runs.items()
                ]
                for measure, runs in self.measures.items()
            },
        }


def compare(
    runs: Mapping[str, Run],
    qrels: Qrels,
    measures: Sequence[str] = MEASURES,
    *,
    name: str = "runs",
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Every run by every measure of ir-measures' names, e.g. `nDCG@10`, `R@100`, `RR`, `Success@5`.

    A query of the qrels with no answer in a run counts as 0; a query without a relevant document is left out of all
    runs; queries of a run that the qrels lack are passed over and counted.  Equal scores are broken as trec_eval does,
    by the documents' names.  Raises SpecError for an unknown measure, InputError where a run shares no query.
    """
    wanted = {one: parsed(one) for one in measures}
    judged = {query: grades for query, grades in qrels.items() if any(grade > 0 for grade in grades.values())}
    notes = _notes(runs, qrels, judged)
    values = {run: _values(answers, judged, list(wanted.values())) for run, answers in runs.items()}
    found: dict[str, dict[str, RunMeasure]] = {}
    for one, measure in wanted.items():
        of = {run: by_measure[str(measure)] for run, by_measure in values.items()}
        p = pairwise_p(of, seed=seed)
        better, first = letters(of, p), next(iter(of))
        found[one] = {
            run: RunMeasure(
                interval(these, draws, seed),
                None if run == first else difference(these, of[first], draws, seed),
                p.get((first, run)),
                better[run],
            )
            for run, these in of.items()
        }
    return Comparison(name, len(judged), found, tuple(notes))


def parsed(measure: str) -> Any:
    """The measure of ir-measures of that name.  Raises SpecError with examples."""
    try:
        found = ir_measures.parse_measure(measure)
        known = ir_measures.DefaultPipeline.supports(found)
    except (NameError, ValueError, TypeError, SyntaxError):
        known = False
    if not known:
        names = ", ".join((*MEASURES, "R@100"))
        raise SpecError(f"no measure is called {measure!r}; give one of ir-measures' names: {names}")
    return found


def _values(run: Run, qrels: Qrels, measures: list[Any]) -> dict[str, Values]:
    """Measure -> value of each query of the qrels, in their order; 0 where nothing was answered."""
    place = {query: row for row, query in enumerate(qrels)}
    found = {str(one): np.zeros(len(qrels)) for one in measures}
    answered = {query: run[query] for query in qrels if query in run}
    for one in ir_measures.iter_calc(measures, qrels, answered):
        found[str(one.measure)][place[one.query_id]] = one.value
    return found


def _notes(runs: Mapping[str, Run], qrels: Qrels, judged: Qrels) -> list[str]:
    notes = []
    if len(judged) < len(qrels):
        left_out = _queries(len(qrels) - len(judged))
        notes.append(f"qrels: {left_out} without a relevant document, left out")
    for name, run in runs.items():
        common = sum(query in run for query in judged)
        if not common:
            ids = f"{next(iter(run))!r} here, {next(iter(judged))!r} in the qrels"
            raise InputError(f"{name}: no query of the run is among the qrels ({ids}); give the qrels of the same task")
        if common < len(judged):
            notes.append(f"{name}: {len(judged) - common} of {len(judged)} queries have no answer and count as 0")
        if unknown := sum(query not in qrels for query in run):
            notes.append(f"{name}: {_queries(unknown)} without qrels, passed over")
    return notes


def _queries(count: int) -> str:
    return f"{count:,} {'query' if count == 1 else 'queries'}"
