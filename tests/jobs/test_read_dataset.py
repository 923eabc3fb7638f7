"""What storage alone tells of a dataset: begun, running, published, on the local disk and on S3."""

import json
from typing import Any

import pytest

from embed.dataset import mark_attempts, publish
from embed.errors import InputError, SpecError
from jobs.__main__ import run
from jobs.read_dataset import failures, span, status
from tests.embed.vectors import begin, commit, commit_failed, manifest, unit_of


@pytest.fixture
def running(storage_url: str) -> str:
    """Version 1 has a (two rows) and b, c (failed); since then d is committed, e failed, f was started twice."""
    job = begin(storage_url)
    commit(job, "a", "one", "two")
    for name in "bc":
        commit_failed(job, name, f"no sound in [{name}]")
    publish(job, manifest("a", "b", "c"))
    commit(job, "d", "three")
    commit_failed(job, "e", "cut off")
    for names in ("df", "f"):
        mark_attempts(job, map(unit_of, names))
    return storage_url


def test_status_tells_what_is_published_staged_and_unfinished(running: str) -> None:
    found = status(running)
    document = found.document()
    assert (document["versions"], document["staged_units"], document["dims"]) == ([1], 2, [4, 2])
    assert document["unfinished_units"] == [{"unit_id": unit_of("f").hex(), "attempts": 2}]
    published = document["published"]
    assert {name: published[name] for name in ("version", "rows", "failures")} == {
        "version": 1,
        "rows": 2,
        "failures": 2,
    }
    assert published["assets"] == {"listed": 3, "speech": 0, "text": 3}
    assert (published["accounting"]["units"], published["accounting"]["failed"]) == (3, 2)
    text = found.text()
    assert "2 vectors" in text
    assert "units    3 listed = 1 embedded + 2 failed + 0 skipped" in text
    assert "2 units committed, waiting for the next version" in text
    assert "1 unit started and not committed, tried up to 2 times: running now, or cut short" in text
    assert json.loads(json.dumps(document)) == document


def test_status_of_what_is_begun_and_no_more(storage_url: str) -> None:
    begin(storage_url)
    document = status(storage_url).document()
    assert (document["published"], document["versions"], document["staged_units"]) == (None, [], 0)
    assert status(storage_url).text().splitlines()[1:] == ["nothing is published yet"]


def test_failures_are_counted_by_reason_and_listed(running: str) -> None:
    found = failures(running)
    document = found.document()
    assert document["version"] == 1
    assert document["reasons"] == [{"stage": "decode", "error_class": "InputError", "count": 3}]
    assert [(row["uri"], row["message"]) for row in document["failures"]] == [
        ("demo/b", "no sound in [b]"),
        ("demo/c", "no sound in [c]"),
        ("demo/e", "cut off"),
    ]
    assert document["failures"][0]["unit_id"] == unit_of("b").hex()
    assert json.loads(json.dumps(document)) == document
    lines = found.text().splitlines()
    assert lines[0] == f"{running}, version 1: 3 failures"
    assert [line.split() for line in lines[2:4]] == [["stage", "error", "count"], ["decode", "InputError", "3"]]
    assert "InputError: no sound in [b]" in found.text()


def test_failures_of_an_output_that_has_not_published(storage_url: str) -> None:
    commit_failed(begin(storage_url), "a", "no sound")
    found = failures(storage_url)
    assert found.document()["version"] is None
    assert [row["message"] for row in found.document()["failures"]] == ["no sound"]
    assert "nothing published yet: 1 failure\n" in found.text()


def test_a_retry_that_waits_replaces_its_published_failure(running: str) -> None:
    commit(begin(running), "b", "read at last")
    assert [row["uri"] for row in failures(running).document()["failures"]] == ["demo/c", "demo/e"]


def test_spans_are_told_in_the_measure_of_their_modality() -> None:
    spans: list[dict[str, Any]] = [
        {"start": 1500, "end": 61_000, "modality": "speech"},
        {"start": 600_000, "end": None, "modality": "speech"},
        {"start": 10, "end": 20, "modality": "text"},
        {"start": 0, "end": None, "modality": "speech"},
        {"start": None, "end": None, "modality": "text"},
    ]
    assert [span(row) for row in spans] == ["1.5 - 61 s", "600 - end s", "10 - 20", "all", "all"]


def test_no_failures_is_said(storage_url: str) -> None:
    job = begin(storage_url)
    commit(job, "a", "one")
    publish(job, manifest("a"))
    assert failures(storage_url).text().endswith("version 1: no failures")


@pytest.mark.parametrize("read", [failures, status])
def test_a_place_with_nothing_is_named(read: object, storage_url: str) -> None:
    assert callable(read)
    with pytest.raises(InputError, match="no output of `deglu embed` stands here; check the address"):
        read(storage_url)
    with pytest.raises(SpecError, match="neither a local path nor s3"):
        read("http://somewhere/vectors")


def test_the_verbs_show_it(running: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", running, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["staged_units"] == 2
    assert run(["failures", running]) == 0
    assert "3 failures" in capsys.readouterr().out
    assert run(["status", running + "-not"]) == 1
    assert "no output of `deglu embed` stands here" in capsys.readouterr().err
