"""The command line of a bench: lines or a document, a file, exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from embed.errors import DataUnavailable
from evaluate.bench.command import run_one
from evaluate.bench.shape import Row, document


def walk(n: int | None) -> dict[str, Any]:
    rows = [
        Row("steps", "a runner", n or 10, 20, "steps/cpu-s", goal=0.4),
        Row("steps", "a bird", 10, None, "steps/cpu-s", reason="it flies"),
        Row("stones", "a runner", 3, 0, "stones"),
    ]
    return document("walk", rows)


def test_lines_for_the_eye(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_one("walk", walk, []) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("walk, 20")
    assert rows == [
        "  steps | ours 10 steps/cpu-s, a runner 20: ratio 0.50, goal 0.4 met",
        "  steps | ours 10 steps/cpu-s, a bird not measured: it flies",
        "  stones | ours 3 stones, a runner 0: ratio none",
    ]


def test_json_to_stdout_and_the_same_into_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "kept" / "walk.json"
    assert run_one("walk", walk, ["--json", "--out", str(place), "--n", "7"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["rows"][0]["ours"] == 7
    assert json.loads(place.read_text()) == shown


def test_what_cannot_run_here_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def sit(n: int | None) -> dict[str, Any]:
        raise DataUnavailable("no legs here; grow some")

    assert run_one("sit", sit, []) == 1
    assert capsys.readouterr() == ("", "bench sit: no legs here; grow some\n")


@pytest.mark.parametrize("wrong", [["--n", "0"], ["--n", "many"], ["--rows", "1"]])
def test_a_wrong_command_line_is_exit_code_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run_one("walk", walk, wrong)
    assert left.value.code == 2
    assert "usage: python -m evaluate.bench.walk" in capsys.readouterr().err
