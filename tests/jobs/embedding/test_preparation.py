"""What is known of an embedding before a unit runs; nothing of it is written."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from embed.dataset.job import open_job
from embed.errors import SpecError
from jobs.command.progress import Silent
from jobs.embedding.preparation import prepare
from tests.embed.vectors import manifest
from tests.jobs.embedding.small_archive import spec_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("The market opens at six.\n")
    (tmp_path / "in" / "news.mp3").touch()
    return tmp_path / "in"


def test_the_work_is_known_before_the_output_is_begun(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    prepared = prepare(spec_of(folder, tmp_path / "out", tiny_model))
    work, note = prepared.work(Silent())
    assert (work.assets.num_rows, work.left.units, note) == (2, 2, "")
    assert not (tmp_path / "out").exists()
    job = prepared.job()
    assert (job.number, job.dims) == (1, prepared.model.spec.dims)
    assert prepared.job() == job


def test_another_spec_is_noted_and_refused(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    prepared = prepare(spec_of(folder, tmp_path / "out", tiny_model))
    open_job(prepared.url, {"other": 1}, (4, 2), "space", "encoder")
    assert "requires --new-version" in prepared.work(Silent())[1]
    with pytest.raises(SpecError, match="--new-version"):
        prepared.job()
    assert prepared.job(new_version=True).number == 2


def test_a_model_of_text_alone_refuses_speech(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    prepared = prepare(spec_of(folder, tmp_path / "out", tiny_model))
    model = prepared.model
    text_alone = replace(prepared, model=replace(model, spec=model.spec.model_copy(update={"speech": None})))
    with pytest.raises(SpecError, match="encodes text only, but the inputs contain speech; choose another model"):
        text_alone.list_inputs(Silent())


def test_most_assets_gone_or_changed_at_once_are_asked_about(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    spec = spec_of(folder, tmp_path / "out", tiny_model)
    many, other = (manifest(*map(str, range(20)), version=f"size:{size}") for size in (1, 2))

    def doubt(now: pa.Table, **changed: float) -> str:
        return prepare(spec.model_copy(update=changed)).doubt(many, now)

    assert "11 of 20 assets of the current version are no longer in the inputs" in doubt(many.slice(11))
    assert doubt(many.slice(10)) == doubt(many) == doubt(other, max_changed_fraction=1.0) == ""
    assert "11 of 20 assets of the current version have other content" in doubt(
        pa.concat_tables([other[:11], many[11:]])
    )
    assert doubt(pa.concat_tables([other[:10], many[10:]])) == ""
    assert prepare(spec).doubt(many[:9], other) == "", "so few are embedded again in minutes"


def test_passages_that_would_be_truncated_are_refused(folder: Path, tmp_path: Path, tiny_model: str) -> None:
    with pytest.raises(SpecError, match=r"passage\.max_tokens = 100000"):
        prepare(spec_of(folder, tmp_path / "out", tiny_model, passage={"max_tokens": 100_000}))
