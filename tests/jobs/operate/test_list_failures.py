"""Failures as storage alone tells of them: published, folded, staged; by reason, and one by one."""

import json
from typing import Any

import pyarrow as pa
import pytest

from embed.dataset.publish import publish, publish_draft
from embed.dataset.staging import commit_unit
from embed.errors import InputError, SpecError
from embed.tables import FAILURES
from index.filter import parse_where
from jobs.__main__ import run
from jobs.operate.list_failures import failures, place
from tests.embed.vectors import asset_of, begin, commit, commit_failed, ledger_row, manifest, unit_of, unit_rows


@pytest.fixture
def running(storage_url: str) -> str:
    """Version 1 has a (two rows) and b, c (failed); since then d is committed, e failed."""
    job = begin(storage_url)
    commit(job, "a", "one", "two")
    for name in "bc":
        commit_failed(job, name, f"no sound in [{name}]")
    publish(job, manifest("a", "b", "c"))
    commit(job, "d", "three")
    commit_failed(job, "e", "cut off")
    return storage_url


@pytest.fixture
def many(tmp_path: Any) -> str:
    """23 recordings that lost some seconds, and one that no reader knows."""
    job = begin(str(tmp_path / "out"))
    for number in range(23):
        lost = f"/mnt/radio/{number:02}.mp3: {number + 0.5} s could not be decoded"
        _fail(job, f"radio/{number:02}.mp3", "decode", "InputError", lost, number + 0.5)
    _fail(job, "radio/letter.wav", "probe", "UnsupportedFormat", "/mnt/radio/letter.wav: no reader knows it", 0.0)
    return job.url


def _fail(job: Any, uri: str, stage: str, error: str, message: str, lost_s: float) -> None:
    row = {"unit_id": unit_of(uri), "asset_id": asset_of(uri), "uri": uri, "stage": stage, "error_class": error}
    rest = {"message": message, "start": 0, "end": 600_000, "lost_s": lost_s, "attempts": 1}
    failure = pa.Table.from_pylist([{**row, **rest}], schema=FAILURES)
    commit_unit(job, unit_rows(uri, []), ledger_row(uri, 0, "failed"), failure)


def test_failures_are_counted_by_reason_and_listed(running: str) -> None:
    found = failures(running)
    document = found.document()
    assert (document["version"], document["count"], document["files"], document["lost_s"]) == (1, 3, 3, 30.0)
    told = [(reason["message"], reason["count"], reason["example"]["uri"]) for reason in document["reasons"]]
    assert told == [("cut off", 1, "demo/e"), ("no sound in [b]", 1, "demo/b"), ("no sound in [c]", 1, "demo/c")]
    assert [(row["uri"], row["message"]) for row in document["failures"]] == [
        ("demo/b", "no sound in [b]"),
        ("demo/c", "no sound in [c]"),
        ("demo/e", "cut off"),
    ]
    assert document["failures"][0]["unit_id"] == unit_of("b").hex()
    assert json.loads(json.dumps(document)) == document
    assert found.text().splitlines()[0] == f"{running}, version 1: 3 failures in 3 files, 30 s of sound lost"
    assert "InputError: no sound in [b]" in found.text()


def test_what_a_run_has_folded_counts(running: str) -> None:
    before = failures(running).document()
    publish_draft(begin(running))
    assert failures(running).document() == before


def test_a_retry_that_waits_replaces_its_published_failure(running: str) -> None:
    commit(begin(running), "b", "read at last")
    assert [row["uri"] for row in failures(running).document()["failures"]] == ["demo/c", "demo/e"]


def test_one_kind_of_message_is_one_reason(many: str) -> None:
    lines = failures(many).text().splitlines()
    assert lines[0] == f"{many}, nothing published yet: 24 failures in 24 files, 4 min of sound lost"
    assert lines[2].split() == ["count", "lost", "stage", "reason"]
    assert lines[3].split(maxsplit=4)[4] == "InputError: N s could not be decoded"
    assert lines[4].strip() == "e.g. radio/00.mp3"
    assert lines[5].split(maxsplit=2) == ["1", "probe", "UnsupportedFormat: no reader knows it"]
    listed = [line for line in lines if "could not be decoded" in line][1:]
    assert len(listed) == 20
    assert lines[-1] == "4 more; --json has all of them, --where selects: --where \"error_class = 'UnsupportedFormat'\""


@pytest.mark.slow
def test_some_are_chosen(many: str, capsys: pytest.CaptureFixture[str]) -> None:
    where = parse_where("uri like 'radio/0%' and stage = 'decode'", FAILURES)
    found = failures(many, where)
    assert found.document()["count"] == 10
    assert found.document()["where"] == "uri like 'radio/0%' and stage = 'decode'"
    assert failures(many).document()["where"] is None
    none = failures(many, parse_where("stage = 'worker'", FAILURES)).text()
    assert none == f"{many}, nothing published yet: no failures where stage = 'worker', of 24 failures in all"
    assert run(["failures", many, "--where", "error_class like 'Unsupported%'"]) == 0
    assert "1 failure in 1 file" in capsys.readouterr().out


def test_a_broken_filter_is_refused_before_anything_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("failures", "retry"):
        assert run([verb, "never-opened", "--where", "error_class=UnsupportedFormat"]) == 2
        assert "did you mean error_class = 'UnsupportedFormat'?" in capsys.readouterr().err
        assert run([verb, "never-opened", "--where", "file = 'x'"]) == 2
        assert "columns are unit_id, asset_id, uri, stage, error_class, message" in capsys.readouterr().err


def test_spans_are_told_in_the_measure_of_their_modality() -> None:
    spans: list[dict[str, Any]] = [
        {"start": 1500, "end": 61_000, "modality": "speech"},
        {"start": 600_000, "end": None, "modality": "speech"},
        {"start": 10, "end": 20, "modality": "text"},
        {"start": 0, "end": None, "modality": "speech"},
        {"start": None, "end": None, "modality": "text"},
    ]
    assert [place(row) for row in spans] == ["1.5 - 61 s", "600 - end s", "10 - 20", "all", "all"]


def test_no_failures_is_said(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    publish(job, manifest("a"))
    assert failures(storage_url).text().endswith("version 1: no failures")


def test_a_place_with_nothing_is_named(storage_url: str) -> None:
    with pytest.raises(InputError, match="there is no output of `deglu embed` here; check the address"):
        failures(storage_url)
    with pytest.raises(SpecError, match="neither a local path nor s3"):
        failures("http://somewhere/vectors")
