"""`deglu evaluate` on a tiny model: the files of the report, and gates as an exit code."""

import json
from pathlib import Path

import pytest

from embed.errors import SpecError
from embed.storage.store import join, listing, read_bytes
from evaluate.runs.compare import compare
from evaluate.runs.files import read_qrels, read_run
from jobs.evaluation.evaluate_model import EvaluateReport, evaluate_model
from tests.evaluate.shelf import spec_of
from tests.train.lesson import write_prompts


def assert_the_runs_have_the_values_of_the_report(found: EvaluateReport, url: str) -> None:
    task = found.report.tasks[0]
    run, qrels = (join(url, "runs", "asterisk-dev-fr-en" + rest) for rest in ("/late-fusion.run", ".qrels.tsv"))
    compared = compare({"ours": read_run(run)}, read_qrels(qrels)).measures["nDCG@10"]["ours"]
    system = task.systems[0]
    assert compared.mean.mean == pytest.approx(system.by_dim[system.full_dim]["nDCG@10"].mean)


@pytest.mark.slow
def test_the_report_is_written_and_gates_decide_the_exit_code(
    tiny_model: str, tmp_path: Path, storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_prompts(tmp_path / "cache", 40)
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    gate = "recall@10[asterisk dev fr->en] >= 0"
    spec = spec_of(Path(), tiny_model, ["late-fusion"], draws=100, output=storage_url, gates=[gate])
    found = evaluate_model(spec)
    assert (found.missed, found.exit_code) == ((), 0)
    assert {entry.url for entry in listing(storage_url)} == {
        join(storage_url, name)
        for name in (
            "report.html",
            "report.json",
            "report.md",
            "asterisk-dev-fr-en.png",
            "asterisk-dev-fr-en-late-fusion-codes.png",
            "runs/asterisk-dev-fr-en.qrels.tsv",
            "runs/asterisk-dev-fr-en/late-fusion.run",
        )
    }
    assert_the_runs_have_the_values_of_the_report(found, storage_url)
    assert json.loads(read_bytes(join(storage_url, "report.json"))).items() <= found.document().items()
    high = spec.model_copy(update={"gates": ("recall@10[asterisk dev fr->en] >= 1",)})
    missed = evaluate_model(high)
    assert missed.exit_code == 4
    lacking = spec.model_copy(update={"gates": ("recall@10[asterisk dev fr->en, dim=20] >= 0",)})
    with pytest.raises(SpecError, match=r"field 'gates': recall@10\[.*' has no width 20; give one of 32, 16, 8"):
        evaluate_model(lacking)
    assert "gate missed: asterisk dev fr->en, late-fusion, R@10 at full width is " in missed.text()
