"""The report of a run, by hand, and of a small dataset."""

import json
import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from embed.accounting import Accounting
from embed.amount import Amount
from embed.dataset.publish import publish
from embed.dataset.runs import begin_run
from embed.dataset.version import TOMBSTONES, Version
from embed.spec import EmbedSpec
from jobs.command.doors import load_spec
from jobs.embedding.report import EmbedReport, report_of
from tests.embed.vectors import asset_of, begin, commit, commit_failed, manifest

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
TOTALS = Accounting(
    units=3, embedded=2, failed=1, skipped=0, rows=5, decoded_s=30, embedded_s=20, not_speech_s=0, lost_s=10
)


def report(**changed: Any) -> EmbedReport:
    """Three assets, one of which failed."""
    totals = changed.pop("totals", TOTALS)
    version = Version.model_construct(number=2, rows=5, accounting=totals, space="s", encoder="e")
    run = begin_run(1).model_copy(update={"done": Amount(2), "planned": Amount(2), "device": "cpu"})
    values = {"failed_assets": 1, "gone_assets": 0, "replaced_assets": 0, "failures": 1, "lost_s": 10.0}
    return EmbedReport("out", version, run, assets=3, **{**values, "max_failed_fraction": 1.0, **changed})


def test_the_exit_code_follows_the_accounting() -> None:
    assert report().exit_code == 3
    whole = TOTALS.model_copy(update={"embedded": 3, "failed": 0})
    assert report(totals=whole, failed_assets=0, failures=0).exit_code == 0
    assert report(max_failed_fraction=0.3).exit_code == 1
    assert report(totals=TOTALS.model_copy(update={"embedded": 0})).exit_code == 1


def test_a_report_as_text_and_as_json() -> None:
    lines = report(gone_assets=1).text().splitlines()
    assert lines[0] == "out version 2: 5 vectors of 3 assets, 2 units new in this run"
    assert lines[1] == "units    3 listed = 2 embedded + 1 failed + 0 skipped"
    assert lines[4].startswith("run      2 units planned; 2 done in ")
    assert lines[5:] == [
        "assets   1 gone and 0 changed since the previous version",
        "1 failure, 10 s lost; see with: deglu failures out",
    ]
    assert json.loads(json.dumps(report().document()))["exit_code"] == 3


@pytest.mark.parametrize(("tolerate", "code"), [("exit 3", 3), ("exit 0", 0)])
def test_a_report_is_of_the_version_that_was_published(tmp_path: Path, tolerate: str, code: int) -> None:
    job = begin(str(tmp_path / "out"))
    commit(job, "a", "one", "two")
    commit_failed(job, "b", "no sound")
    assets = manifest("a", "b")
    version = publish(job, assets)
    stones = pa.table([[asset_of("c")], ["v"], ["gone"]], schema=TOMBSTONES)
    spec = EmbedSpec.parse({"inputs": [{"url": "in"}], "output": job.url, "tolerate": tolerate})
    found = report_of(version, assets, stones, begin_run(1), spec)
    assert (found.url, found.assets, found.failed_assets, found.gone_assets, found.failures) == (job.url, 2, 1, 1, 1)
    assert found.exit_code == code
    strict = spec.model_copy(update={"max_failed_fraction": 0.4})
    assert report_of(version, assets, stones, begin_run(1), strict).exit_code == 1, "more than is tolerated"


def test_the_ray_jobs_are_not_repeated_for_failures_that_the_spec_tolerates() -> None:
    jobs = sorted(DEPLOY.glob("kuberay/rayjob-*.yaml"))
    assert jobs
    for path in jobs:
        python, _, package, verb, _, *settings = shlex.split(yaml.safe_load(path.read_text())["spec"]["entrypoint"])
        assert (python, package, settings[0]) == ("python", "jobs", "--set")
        spec = load_spec(verb, str(DEPLOY / "specs" / "embed-overnight.yaml"), settings[1:])
        assert isinstance(spec, EmbedSpec)
        assert spec.tolerate == "exit 0"
