"""What storage alone tells of a dataset: begun, running, cut short, published, on the local disk and on S3."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from embed.amount import Amount
from embed.dataset.publish import publish, publish_draft
from embed.dataset.runs import Run, begin_run, write_run
from embed.dataset.staging import mark_attempts
from embed.errors import InputError, SpecError
from jobs.__main__ import run
from jobs.operate.status import status
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


def told_by(url: str, seen_s_ago: float = 0, **changed: object) -> Run:
    """A run that wants six units, had three, and has done two."""
    amounts = {"planned": Amount(units=6, sound_s=60.0), "before": Amount(units=3, sound_s=30.0)}
    seen = datetime.now(UTC) - timedelta(seconds=seen_s_ago)
    times = {"started": (seen - timedelta(seconds=40)).isoformat(), "seen": seen.isoformat()}
    values = {**amounts, **times, "state": "embedding", "done": Amount(units=2, sound_s=20.0), "failures": 1, **changed}
    one = begin_run(2).model_copy(update=values)
    write_run(url, one)
    return one


def test_status_tells_what_is_published_staged_and_unfinished(running: str) -> None:
    found = status(running)
    document = found.document()
    assert (document["versions"], document["staged_units"], document["dims"]) == ([1], 2, [4, 2])
    assert document["unfinished_units"] == [{"unit_id": unit_of("f").hex(), "attempts": 2}]
    assert document["runs"] == []
    published = document["published"]
    assert {name: published[name] for name in ("version", "rows", "failures")} == {
        "version": 1,
        "rows": 2,
        "failures": 2,
    }
    assert published["assets"] == {"listed": 3, "speech": 0, "text": 3}
    assert published["coverage"] == {"speech": 0.3333, "not_speech": 0.0, "lost": 0.6667}
    assert (published["accounting"]["units"], published["accounting"]["failed"]) == (3, 2)
    text = found.text()
    assert "2 vectors" in text
    assert "units    3 listed = 1 embedded + 2 failed + 0 skipped" in text
    assert "coverage 33.3 % speech, 0.0 % not speech, 66.7 % lost, of 30 s of sound" in text
    assert "2 units committed, waiting for the next version" in text
    assert "1 unit started and not committed, tried up to 2 times: running now, or cut short" in text
    assert json.loads(json.dumps(document)) == document


def test_status_of_a_run_that_lives(running: str) -> None:
    told_by(running, seen_s_ago=3600, state="complete", id="20200101T000000-00000000")
    alive = told_by(running)
    publish_draft(begin(running))
    commit(begin(running), "g", "six")
    document = status(running).document()
    assert [run["id"] for run in document["runs"]] == [alive.id]
    assert (document["drafted_units"], document["staged_units"]) == (2, 1)
    (told,) = document["runs"]
    assert (told["told"], told["percent"], told["times_real"], told["left_s"]) == ("embedding", 83.3, 0.5, 20)
    lines = status(running).text().splitlines()
    assert lines[1].startswith("run      embedding since 20")
    assert lines[3:5] == ["done     0.8/1.0 min · 5/6 units · 83 %", "pace     20 s left · 0.5x real time"]
    assert lines[5] == f"failures 1 so far; see with: deglu failures {running}"
    assert lines[6] == "folded   2 units in data files already, not published yet"
    assert lines[7] == "staged   1 unit committed, waiting for the next version"
    assert lines[8] == "started  1 unit started and not committed, tried up to 2 times: running now"


def test_status_after_the_cluster_is_gone(running: str) -> None:
    told_by(running, seen_s_ago=7200)
    lines = status(running).text().splitlines()
    assert lines[1].startswith("run      embedding when it was cut short: last seen 20")
    assert lines[3:5] == ["done     0.8/1.0 min · 5/6 units · 83 %", "pace     0.5x real time"]
    assert "tried up to 2 times: cut short" in status(running).text()


def test_status_of_what_is_begun_and_no_more(storage_url: str) -> None:
    begin(storage_url)
    document = status(storage_url).document()
    assert (document["published"], document["versions"], document["staged_units"]) == (None, [], 0)
    assert status(storage_url).text().splitlines()[1:] == ["nothing is published yet"]


def test_a_place_with_nothing_is_named(storage_url: str) -> None:
    with pytest.raises(InputError, match="there is no output of `deglu embed` here; check the address"):
        status(storage_url)
    with pytest.raises(SpecError, match="neither a local path nor s3"):
        status("http://somewhere/vectors")


def test_the_verb_shows_it(running: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", running, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["staged_units"] == 2
    assert run(["status", running + "-not"]) == 1
    assert "there is no output of `deglu embed` here" in capsys.readouterr().err
