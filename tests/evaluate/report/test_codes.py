"""Codes and ranks in every form of a report."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluate.measures.quality import evaluate_task
from evaluate.report.codes import code_lines, code_tables
from evaluate.report.page import as_html
from evaluate.report.plots import codes_plot
from evaluate.report.report import as_json, as_markdown
from evaluate.results import Coding, Interval, ProjectorRank, Report, System, Task

AXES = np.eye(40, dtype=np.float32)


def at(mean: float) -> Interval:
    return Interval(mean, mean, mean)


def coded() -> Task:
    task = evaluate_task("axes", {"late-fusion": AXES}, AXES, np.arange(40), [40], draws=100)
    codings = (
        Coding("prefix", 80, at(1.0), at(0.0), 1.0),
        Coding("prefix", 40, at(0.5), at(-0.5), 0.4),
        Coding("binary", 5, at(0.995), at(-0.005), 0.9),
    )
    ranks = (ProjectorRank(4, 96, {40: at(0.9)}, at(-0.1)), ProjectorRank(8, 192, {40: at(1.0)}, at(0.0)))
    return replace(task, systems=(replace(task.systems[0], codings=codings, ranks=ranks),))


def test_tables_have_a_column_for_each_size_and_sentences_name_the_least() -> None:
    (system,) = coded().systems
    quality, loss, same, rank = code_tables(system)
    assert quality[1] == ["code", "80 B", "40 B", "5 B"]
    assert quality[2] == [
        ["prefix", "1.000 [1.00, 1.00]", "0.500 [0.50, 0.50]", "-"],
        ["binary", "-", "-", "0.995 [0.99, 0.99]"],
    ]
    assert loss[2][0][2] == "-0.500 [-0.50, -0.50]"
    assert same[2][1] == ["binary", "-", "-", "90%"]
    assert rank[2][0] == ["4", "96", "0.900 [0.90, 0.90]", "-0.100 [-0.10, -0.10]"]
    assert code_lines(system) == [
        "late-fusion: best for their bytes are binary in 5 (0.995), prefix in 80 (1.000); the full vectors have 1.000.",
        "late-fusion: the fewest bytes within 1 % of the full vectors (nDCG@10) are 5,"
        " as binary: -0.005 [-0.01, -0.01].",
        "late-fusion: the smallest rank of the projector within 1 % of the whole is 8.",
    ]


def test_every_form_has_them_and_a_plot(tmp_path: Path) -> None:
    report = Report((coded(),), {})
    page, text = as_html(report), as_markdown(report)
    assert page.count("<svg") == 2
    for form in (page, text):
        assert "best for their bytes are binary in 5" in form
    system = as_json(report)["tasks"][0]["systems"][0]
    assert system["codings"][2]["code"] == "binary"
    assert system["projector"][0]["by_dim"]["40"]["mean"] == 0.9
    codes_plot(report.tasks[0].systems[0].codings, at(1.0), tmp_path / "codes.png", "codes")
    assert (tmp_path / "codes.png").stat().st_size > 10_000


def test_a_system_without_codes_has_no_tables() -> None:
    system = System("ridge", {40: {"nDCG@10": at(0.5)}})
    assert code_tables(system) == []
    assert code_lines(system) == []
