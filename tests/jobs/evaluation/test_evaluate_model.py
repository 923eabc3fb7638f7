"""`deglu evaluate` on a tiny model: the files of the report, and gates as an exit code."""

import json
from pathlib import Path

import pytest

from embed.storage.store import join, listing, read_bytes
from jobs.evaluation.evaluate_model import evaluate_model
from tests.evaluate.shelf import spec_of
from tests.train.lesson import write_prompts


@pytest.mark.slow
def test_the_report_is_written_and_gates_decide_the_exit_code(
    tiny_model: str, tmp_path: Path, storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_prompts(tmp_path / "cache", 40)
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    gate = {"task": "asterisk dev fr->en", "at_least": 0.0}
    spec = spec_of(Path(), tiny_model, ["late-fusion"], draws=100, output=storage_url, gates=[gate])
    found = evaluate_model(spec)
    assert (found.missed, found.exit_code) == ((), 0)
    assert {entry.url for entry in listing(storage_url)} == {
        join(storage_url, name) for name in ("report.json", "report.md", "asterisk-dev-fr-en.png")
    }
    assert json.loads(read_bytes(join(storage_url, "report.json"))).items() <= found.document().items()
    high = spec.model_copy(update={"gates": (spec.gates[0].model_copy(update={"at_least": 1.0}),)})
    missed = evaluate_model(high)
    assert missed.exit_code == 4
    assert "gate missed: asterisk dev fr->en, late-fusion, recall@10 at full width is " in missed.text()
