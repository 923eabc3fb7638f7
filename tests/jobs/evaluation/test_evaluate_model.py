"""`deglu evaluate` on a tiny model: the files of the report, and gates as an exit code."""

import json
from pathlib import Path

import pytest

from jobs.evaluation.evaluate_model import evaluate_model
from tests.evaluate.shelf import spec_of
from tests.train.lesson import write_prompts


@pytest.mark.slow
def test_the_report_is_written_and_gates_decide_the_exit_code(
    tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_prompts(tmp_path / "cache", 40)
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    gate = {"task": "asterisk dev fr->en", "at_least": 0.0}
    spec = spec_of(Path(), tiny_model, ["late-fusion"], draws=100, output=str(tmp_path / "out"), gates=[gate])
    found = evaluate_model(spec)
    assert (found.missed, found.exit_code) == ((), 0)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "report.json", "report.md", "asterisk-dev-fr-en.png"
    }  # fmt: skip
    assert json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8")).items() <= found.document().items()
    high = spec.model_copy(update={"gates": (spec.gates[0].model_copy(update={"at_least": 1.0}),)})
    missed = evaluate_model(high)
    assert missed.exit_code == 4
    assert "gate missed: asterisk dev fr->en, late-fusion, recall@10 at full width is " in missed.text()
