"""`deglu evaluate --compare` and `--runs` by the command line, and what they refuse."""

import json
from pathlib import Path

import pytest

from evaluate.results import Interval, System, Task
from evaluate.runs.files import qrels_lines, run_lines
from jobs.__main__ import run
from jobs.evaluation.evaluate_model import write_runs
from tests.evaluate.runs.test_compare import QRELS, RIGHT, WRONG


@pytest.mark.slow
def test_runs_of_others_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for name, answers in (("wrong.run", WRONG), ("right.run", RIGHT)):
        files.append(str(tmp_path / name))
        Path(files[-1]).write_text("".join(run_lines(answers, name)), encoding="utf-8")
    qrels = tmp_path / "q.tsv"
    qrels.write_text("".join(qrels_lines(QRELS)), encoding="utf-8")
    assert run(["evaluate", "--runs", *files, "--qrels", str(qrels), "--measure", "RR"]) == 0
    out = capsys.readouterr().out
    assert "(a) wrong  0.500 [0.50, 0.50]\n" in out
    assert "(b) right  1.000 [1.00, 1.00]  +0.500 [+0.50, +0.50]  p 0.0001  better than a\n" in out
    assert run(["evaluate", "--runs", *files, "--qrels", str(qrels), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["comparisons"][0]
    assert [one["run"] for one in found["measures"]["nDCG@10"]] == ["wrong", "right"]


@pytest.mark.slow
def test_reports_are_compared_task_by_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, answers in (("old", WRONG), ("new", RIGHT)):
        system = System("late-fusion", {64: {"nDCG@10": Interval(0, 0, 0)}}, run=answers)
        write_runs(Task("asterisk dev fr->en", 30, 31, {}, (system,), qrels=QRELS), tmp_path / folder)
    write_runs(Task("another", 30, 31, {}, (system,), qrels=QRELS), tmp_path / "new")
    assert run(["evaluate", "--compare", str(tmp_path / "old"), str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("asterisk-dev-fr-en: 30 queries; mean [95 % interval]; difference to (a) old: late-fusion\n")
    assert "(b) new: late-fusion  1.000" in out
    assert "another" not in out
    other = {**QRELS, "q0": {"d1": 1}}
    write_runs(Task("asterisk dev fr->en", 30, 31, {}, (system,), qrels=other), tmp_path / "new")
    assert run(["evaluate", "--compare", str(tmp_path / "old"), str(tmp_path / "new")]) == 1
    assert "other right answers than in the first report" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line", "code"),
    [
        (["a.run"], "no such spec file", 2),
        (["a.yaml", "b.yaml"], "one spec at a time, not 2", 2),
        (["--runs", "a.run", "b.run"], "--qrels belongs to --runs", 2),
        (["--runs", "--compare", "a", "b", "--qrels", "q"], "cannot be combined", 2),
        (["--compare", "a"], "a comparison requires two or more folders of reports", 2),
        (["--compare", "a", "b"], "a: no runs here; give the output folder of `deglu evaluate SPEC`", 1),
        (["--compare", "a", "a"], "a is given twice", 2),
        (["--runs", "a.run", "b.run", "--qrels", "q.tsv"], "a.run", 1),
        (["--compare", "a", "b", "--set", "seed=1"], "a comparison has no spec", 2),
        (["a.yaml", "--measure", "RR"], "--measure is for", 2),
    ],
)
def test_what_is_refused(
    arguments: list[str],
    line: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["evaluate", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err
    assert len(err.splitlines()) == 1
