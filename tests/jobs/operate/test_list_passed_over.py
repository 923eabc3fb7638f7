"""Files that are passed over, as storage alone has them."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from embed.dataset.publish import publish
from embed.dataset.runs import begin_run, keep_passed_over, keep_plan, write_run
from embed.dataset.staging import commit_unit
from embed.errors import InputError
from embed.tables import PASSED_OVER, LedgerRow
from index.filter import parse_where
from jobs.__main__ import run
from jobs.operate.list_passed_over import passed_over, passed_over_text
from jobs.operate.status import status
from tests.embed.vectors import begin, commit, commit_failed, failures_of, ledger_row, manifest, unit_rows

KINDS = {"picture": 7, "hidden file": 1}


@pytest.fixture
def listed(storage_url: str) -> str:
    """Seven pictures and a hidden file; a later run is listing still."""
    job = begin(storage_url)
    uris = [f"in/{number}.jpg" for number in range(7)] + ["in/.DS_Store"]
    files = pa.table([uris, ["picture"] * 7 + ["hidden file"]], schema=PASSED_OVER)
    lists = {"plan": keep_plan(job.url, manifest("a")), "passed_over_list": keep_passed_over(job.url, files)}
    write_run(job.url, begin_run(1).model_copy(update={**lists, "passed_over": KINDS, "state": "complete"}))
    write_run(job.url, begin_run(1))
    return storage_url


def test_files_by_kind_with_examples(listed: str) -> None:
    found = passed_over(listed)
    document = found.document()
    assert (document["count"], [(one["kind"], one["count"]) for one in document["kinds"]]) == (8, list(KINDS.items()))
    assert document["kinds"][0]["examples"] == [f"in/{number}.jpg" for number in range(5)]
    assert document["files"][-1] == {"uri": "in/.DS_Store", "kind": "hidden file"}
    assert len(document["files"]) == 8
    assert json.loads(json.dumps(document)) == document
    lines = found.text().splitlines()
    assert lines[0] == f"{listed}, listed {document['listed']}: 8 files without vectors that are no failures"
    assert [line.split() for line in lines[2:10]] == [
        ["count", "kind", "files"],
        ["7", "picture", "in/0.jpg"],
        *([f"in/{number}.jpg"] for number in range(1, 5)),
        ["and", "2", "more"],
        ["1", "hidden", "file", "in/.DS_Store"],
    ]
    assert lines[-1] == "--json has all of them, --where selects: --where \"kind = 'picture'\""


def test_some_are_chosen(listed: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = passed_over(listed, parse_where("uri like '%.DS_Store'", PASSED_OVER)).document()
    assert found["files"] == [{"uri": "in/.DS_Store", "kind": "hidden file"}]
    assert run(["failures", listed, "--skipped", "--where", "kind = 'hidden file'", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 1
    assert run(["failures", listed, "--skipped", "--where", "stage = 'x'"]) == 2
    assert "columns are uri, kind" in capsys.readouterr().err


def test_the_status_has_the_counts(listed: str) -> None:
    hint = f"see with: deglu failures --skipped {listed}"
    assert f"passed   8 files passed over: 7 pictures, 1 hidden file; {hint}" in status(listed).text().splitlines()
    assert passed_over_text({}, listed) == []


def test_a_dataset_without_such_files(storage_url: str) -> None:
    with pytest.raises(InputError, match="there is no output"):
        passed_over(storage_url)
    job = begin(storage_url)
    assert passed_over(job.url).text() == f"{job.url}, nothing listed yet: 0 files without vectors that are no failures"
    write_run(job.url, begin_run(1).model_copy(update={"plan": keep_plan(job.url, manifest("a"))}))
    assert passed_over(job.url).text().endswith(": 0 files without vectors that are no failures")


def test_assets_with_nothing_to_embed_are_listed_too(tmp_path: Path) -> None:
    job = begin(str(tmp_path))
    commit(job, "a", "one")
    commit_failed(job, "b", "no sound")
    silent = "no speech in 5.0 s: silent (peak -78 dB)"
    for name, reason in ("c", None), ("d", silent):
        skipped: LedgerRow = {**ledger_row(name, 0, "skipped"), "reason": reason}
        commit_unit(job, unit_rows(name, []), skipped, failures_of(name))
    assets = manifest("a", "b", "c", "d")
    place = assets.schema.get_field_index("modality")
    modality = pa.array(["text", "text", "text", "speech"])
    publish(job, assets.set_column(place, assets.schema.field(place), modality))
    assert passed_over(job.url).document()["files"] == [
        {"uri": "demo/c", "kind": "text with no words"},
        {"uri": "demo/d", "kind": "recording with no speech", "reason": silent},
    ]
    assert f"demo/d: {silent}" in " ".join(passed_over(job.url).text().split())
