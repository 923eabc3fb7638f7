"""`deglu embed --dry-run`: the spec as before, and what is left to do; nothing is written."""

import json
from pathlib import Path

import pytest
import yaml

from embed.dataset.job import open_job
from embed.dataset.publish import publish
from embed.spec import EmbedSpec
from jobs.__main__ import run
from jobs.planning.left import embedding_left
from tests.embed.vectors import begin, commit, commit_failed, manifest


@pytest.fixture
def spec(tmp_path: Path, tiny_model: str) -> EmbedSpec:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("The market opens at six.\n")
    (tmp_path / "in" / "empty.txt").touch()
    return EmbedSpec.parse(
        {"inputs": [{"url": str(tmp_path / "in")}], "output": str(tmp_path / "out"), "model": tiny_model}
    )


def written(folder: Path, spec: EmbedSpec) -> str:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json")), encoding="utf-8")
    return str(path)


def test_a_dry_run_shows_the_spec_and_what_is_left(
    tmp_path: Path, spec: EmbedSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, spec)
    assert run(["embed", path, "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["verb"], document["dry_run"], document["identity"]) == ("embed", True, spec.identity())
    assert document["spec"] == spec.model_dump(mode="json")
    assert document["assets"] == {"listed": 2, "problems": 1}
    assert document["planned"] == document["left"] == {"units": 2, "sound_s": 0.0, "text_bytes": 25}
    assert (document["committed"]["units"], document["carried_units"], document["note"]) == (0, 0, "")
    assert run(["embed", path, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"# deglu embed would run this; result identity {spec.identity()}\n")
    assert text.endswith("# assets    2 listed, 1 with problems\n# units     2 planned: 25 B of text\n")
    assert yaml.safe_load(text) == spec.model_dump(mode="json")
    assert not (tmp_path / "out").exists()


def test_an_output_of_another_spec_is_noted(spec: EmbedSpec) -> None:
    open_job(spec.output, {"other": 1}, (4, 2), "space", "encoder")
    assert "requires --new-version" in embedding_left(spec).text()


def test_a_new_version_that_is_asked_for_is_not_noted(spec: EmbedSpec) -> None:
    open_job(spec.output, {"other": 1}, (4, 2), "space", "encoder")
    assert embedding_left(spec, new_version=True).document()["note"] == ""


def test_a_dry_retry_shows_what_would_be_tried_again(
    tmp_path: Path, spec: EmbedSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, spec)
    assert run(["retry", path, "--dry-run"]) == 0
    assert "# note      what would be tried again is unknown: " in capsys.readouterr().out
    job = begin(spec.output)
    commit(job, "a", "one")
    for name in "bc":
        commit_failed(job, name, f"no sound in [{name}]")
    publish(job, manifest("a", "b", "c"))
    chosen = ["retry", path, "--where", "uri = 'demo/b'", "--dry-run"]
    assert run([*chosen, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["verb"], document["count"], document["failures"][0]["uri"]) == ("retry", 1, "demo/b")
    assert run(chosen) == 0
    text = capsys.readouterr().out
    assert f"\n# would be tried again\n# {spec.output}, version 1: 1 failure in 1 file" in text
    assert "demo/b" in text
    assert "demo/c" not in text
    assert yaml.safe_load(text) == spec.model_dump(mode="json")


def test_inputs_out_of_reach_leave_the_spec_checked(tmp_path: Path, spec: EmbedSpec) -> None:
    away = spec.model_copy(update={"inputs": (spec.inputs[0].model_copy(update={"url": str(tmp_path / "away")}),)})
    found = embedding_left(away)
    assert (found.exit_code, found.document()["left"]) == (0, None)
    assert "the work left is unknown: " in found.text()
    assert "nothing to embed: no such file" in found.document()["note"]
