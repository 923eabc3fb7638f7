"""What is left of an archive of texts: after a run that was cut short, after a publication, under another job."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from embed.archive import manifest as prober
from embed.archive.assets import Asset
from embed.archive.inputs import InputSpec
from embed.dataset.changes import before_assets
from embed.dataset.job import Job
from embed.dataset.publish import publish, publish_draft
from embed.dataset.runs import begin_run, keep_plan, write_run
from embed.dataset.staging import commit_unit
from embed.dataset.work_left import (
    Listing,
    WorkLeft,
    divide,
    failed_left,
    failures_so_far,
    known_assets,
    list_archive,
    without_assets,
    work_left,
)
from embed.errors import InputError
from embed.segmentation.passages import PassageSpec
from embed.segmentation.rules import Cutting
from embed.segmentation.spans import SegmentSpec
from embed.tables import ID, ledger_row
from tests.embed.vectors import begin, failures_of, unit_rows

CUTTING = Cutting(SegmentSpec(), PassageSpec(), "words")
NAMES = ("a.txt", "b.txt", "c.txt")


@pytest.fixture
def inputs(tmp_path: Path) -> list[InputSpec]:
    """Three texts of nine bytes."""
    (tmp_path / "in").mkdir()
    for name in NAMES:
        (tmp_path / "in" / name).write_text(f"Text {name[0]}.\n\n")
    return [InputSpec(url=str(tmp_path / "in"), name="in")]


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Uris of the files that are probed."""
    uris: list[str] = []
    probe = prober._probed

    def counted(asset: Asset) -> prober.Probed:
        uris.append(asset.uri)
        return probe(asset)

    monkeypatch.setattr(prober, "_probed", counted)
    return uris


def commit_first(job: Job, work: WorkLeft, text: str = "", message: str = "") -> bytes:
    """Commit the first unit of the work: a row of `text`, a failure with `message`, or nothing."""
    unit = work.todo.slice(0, 1).to_pylist()[0]
    ids = {name: unit[name] for name in ("unit_id", "asset_id", "content_version")}
    outcome = "embedded" if text else "failed" if message else "skipped"
    rows = _with_ids(unit_rows("a", [text] if text else [], encoder=job.encoder), ids)
    failures = _with_ids(failures_of("a", *([message] if message else [])), ids)
    commit_unit(job, rows, ledger_row(unit, outcome, rows.num_rows), failures)
    return bytes(ids["unit_id"])


def _with_ids(table: pa.Table, ids: dict[str, Any]) -> pa.Table:
    known = {name: value for name, value in ids.items() if name in table.column_names}
    return pa.Table.from_pylist([{**row, **known} for row in table.to_pylist()], schema=table.schema)


def uris(work: WorkLeft) -> list[str]:
    return [str(uri) for uri in work.todo["uri"].to_pylist()]


def test_a_run_that_was_cut_short_spares_every_probe(
    tmp_path: Path, inputs: list[InputSpec], probed: list[str]
) -> None:
    """Its plan is in runs/, one unit is committed, nothing is published."""
    job = begin(str(tmp_path / "out"))
    first = work_left(job, list_archive(job.url, inputs), CUTTING)
    assert (uris(first), sorted(probed)) == ([f"in/{name}" for name in NAMES], [f"in/{name}" for name in NAMES])
    run = begin_run(1).model_copy(update={"plan": keep_plan(job.url, first.assets)})
    write_run(job.url, run)
    write_run(job.url, begin_run(1))  # another began since, and lists still
    commit_first(job, first, "one")
    probed.clear()
    again = work_left(job, list_archive(job.url, inputs), CUTTING)
    assert probed == []
    assert again.assets.equals(first.assets)
    assert uris(again) == ["in/b.txt", "in/c.txt"]
    assert (again.planned, again.before.units, again.left.units) == (first.planned, 1, 2)
    assert again.left.text_bytes == first.planned.text_bytes * 2 // 3


def test_only_new_and_changed_files_are_probed_after_a_publication(
    tmp_path: Path, inputs: list[InputSpec], probed: list[str]
) -> None:
    job = begin(str(tmp_path / "out"))
    work = work_left(job, list_archive(job.url, inputs), CUTTING)
    commit_first(job, work, "one")
    publish(job, work.assets)
    probed.clear()
    (tmp_path / "in" / "d.txt").write_text("New.\n")
    assert uris(work_left(job, list_archive(job.url, inputs), CUTTING)) == ["in/b.txt", "in/c.txt", "in/d.txt"]
    assert probed == ["in/d.txt"]
    assert known_assets(job.url).num_rows == 3


def test_another_encoder_of_the_same_space_carries_the_texts(tmp_path: Path, inputs: list[InputSpec]) -> None:
    job = begin(str(tmp_path / "out"))
    work = work_left(job, list_archive(job.url, inputs), CUTTING)
    carried = commit_first(job, work, "one")
    publish(job, work.assets)
    other = begin(job.url, encoder="encoder-2")
    again = work_left(other, list_archive(job.url, inputs), CUTTING)
    assert again.carry.to_pylist() == [carried]
    assert (uris(again), again.before.units) == (["in/b.txt", "in/c.txt"], 1)
    elsewhere = begin(job.url, encoder="encoder-3", space="space-2")
    assert len(work_left(elsewhere, list_archive(job.url, inputs), CUTTING).carry) == 0


def test_units_of_a_file_that_can_be_probed_at_last_are_dropped(tmp_path: Path, inputs: list[InputSpec]) -> None:
    """A file without a known length was one open unit; with its length it is another."""
    now = list_archive(str(tmp_path / "out"), inputs).assets
    place = now.schema.get_field_index("problem")
    before = now.set_column(place, now.schema.field(place), pa.array(["InputError: away", None, None]))
    small = Cutting(SegmentSpec(), PassageSpec(unit_bytes=1024), "words")
    large = now.set_column(
        now.schema.get_field_index("size_bytes"), now.schema.field("size_bytes"), pa.array([3000, 9, 9])
    )
    job = begin(str(tmp_path / "out"))
    away = large.set_column(place, now.schema.field(place), before["problem"])
    commit_first(job, divide(Listing(away, away), small, pa.array([], ID)), message="away")
    again = work_left(job, Listing(large, away), small)
    assert (uris(again), again.dropped) == (["in/a.txt"] * 3 + ["in/b.txt", "in/c.txt"], 0), "staged, not in the ledger"
    publish_draft(job)
    assert work_left(job, Listing(large, away), small).dropped == 1
    assert work_left(job, Listing(away, away), small).dropped == 0


def test_a_retry_has_the_chosen_failures_alone(tmp_path: Path, inputs: list[InputSpec], probed: list[str]) -> None:
    job = begin(str(tmp_path / "out"))
    work = work_left(job, list_archive(job.url, inputs), CUTTING)
    unit = commit_first(job, work, message="no text")
    publish(job, work.assets)
    failed, former = failures_so_far(job.url), before_assets(job.url)
    assert failed["unit_id"].to_pylist() == [unit]
    probed.clear()
    known = without_assets(former, failed["asset_id"].combine_chunks())
    listed = list_archive(job.url, inputs, known=known)
    assert probed == ["in/a.txt"]
    again = failed_left(job, former, listed, failed, CUTTING)
    assert uris(again)[-1] == "in/a.txt"
    assert sorted(again.assets["uri"].to_pylist()) == [f"in/{name}" for name in NAMES]


def test_nothing_is_written(tmp_path: Path, inputs: list[InputSpec]) -> None:
    assert known_assets(str(tmp_path / "out")).num_rows == 0
    assert failures_so_far(str(tmp_path / "out")).num_rows == 0
    list_archive(str(tmp_path / "out"), inputs)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="nothing to embed"):
        list_archive(str(tmp_path / "out"), [InputSpec(url=str(tmp_path / "nowhere"))])
