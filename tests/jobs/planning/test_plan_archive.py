"""A plan of a small archive is what embedding it then does, and writes nothing."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml

from embed.archive import manifest as prober
from embed.archive.assets import Asset
from embed.dataset.job import open_job
from embed.dataset.runs import begin_run, keep_plan, write_run
from embed.dataset.staging import commit_unit
from embed.dataset.work_left import work_left
from embed.encoder import SAMPLE_RATE
from embed.errors import SpecError
from embed.model.folder import SPEC
from embed.spec import EmbedSpec
from embed.tables import ledger_row, rows
from jobs.__main__ import run
from jobs.command.progress import Silent
from jobs.demo.demo_material import voice
from jobs.embedding.embed_archive import embed_archive
from jobs.embedding.preparation import prepare
from jobs.planning.plan_archive import plan_archive
from tests.embed.archive.tars.packing import pack, sound
from tests.embed.vectors import failures_of
from tests.jobs.embedding.light_worker import LightEncodeWorker, take


def write_archive(folder: Path) -> None:
    """25 s of speech in two recordings (three units of ten seconds, and one), a text, and a file that is empty."""
    folder.mkdir()
    soundfile.write(
        folder / "long.wav", np.concatenate([voice(7, 1), np.zeros(SAMPLE_RATE * 4), voice(10, 2)]), SAMPLE_RATE
    )
    soundfile.write(folder / "short.flac", voice(4, 3), SAMPLE_RATE)
    (folder / "notes.txt").write_text("The market opens at six.\n\nRain is expected tomorrow.\n", encoding="utf-8")
    (folder / "empty.mp3").touch()


def spec_of(root: Path, model: str, **changed: Any) -> EmbedSpec:
    values = {
        "inputs": [{"url": str(root / "archive"), "name": "archive"}],
        "output": str(root / "out"),
        "model": model,
        "device": "cpu",
        "segment": {"unit_s": 10},
    }
    return EmbedSpec.parse({**values, **changed})


@pytest.mark.ray
def test_the_plan_is_what_is_done(
    tmp_path: Path, tiny_model: str, ray_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(LightEncodeWorker, monkeypatch)
    write_archive(tmp_path / "archive")
    spec = spec_of(tmp_path, tiny_model)
    plan = plan_archive(spec).document()
    assert not (tmp_path / "out").exists()
    assert plan["assets"] == {
        "listed": 4,
        "problems": 1,
        "kinds": [
            {"modality": "speech", "format": "audio", "assets": 3, "bytes": plan["assets"]["kinds"][0]["bytes"],
             "sound_s": 25.0, "unknown": 0},
            {"modality": "text", "format": "txt", "assets": 1, "bytes": 53, "sound_s": None, "unknown": 0},
        ],
    }  # fmt: skip
    assert [one["uri"] for one in plan["problems"]] == ["archive/empty.mp3"]
    assert plan["planned"] == plan["left"] == {"units": 6, "sound_s": 25.0, "text_bytes": 53}
    assert plan["committed"]["units"] == 0

    report = embed_archive(spec)
    done = report.run.planned
    assert (done.units, done.sound_s, done.text_bytes) == (6, 25.0, 53)
    assert report.version.accounting.units == plan["planned"]["units"]
    assert report.version.accounting.decoded_s == pytest.approx(plan["planned"]["sound_s"])
    # The sample was nearly all of it, so what it expects is nearly what came.
    assert plan["expected"]["rows"] == pytest.approx(report.version.rows, abs=3)

    again = plan_archive(spec)
    assert again.document()["left"]["units"] == 0
    assert "units     6 planned, all of them committed: nothing is left" in again.text()


@pytest.mark.slow
def test_members_of_tars_are_planned(tmp_path: Path, tiny_model: str) -> None:
    members = [("a.flac", sound(3)), ("a.txt", b"Un."), ("b.flac", sound(2))]
    pack(tmp_path / "archive" / "audio_0.tar", members)
    line = {"audio_filepath": "b.flac", "offset": 0.5, "duration": 1.0}
    (tmp_path / "archive" / "manifest.json").write_text(json.dumps(line))
    plan = plan_archive(spec_of(tmp_path, tiny_model)).document()
    about = {"modality": "speech", "assets": 1, "unknown": 0}
    assert [{**kind, "bytes": 0} for kind in plan["assets"]["kinds"]] == [
        {**about, "format": "clip", "bytes": 0, "sound_s": 3.0},
        {**about, "format": "utterance", "bytes": 0, "sound_s": 1.0},
    ]
    assert plan["planned"] == {"units": 2, "sound_s": 4.0, "text_bytes": 0}


@pytest.mark.slow
def test_what_is_told(tmp_path: Path, tiny_model: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_archive(tmp_path / "archive")
    place = tmp_path / "spec.yaml"
    place.write_text(yaml.safe_dump(spec_of(tmp_path, tiny_model, workers=2).model_dump(mode="json")))
    assert run(["plan", str(place), "--set", "rates.worker_hour=3600"]) == 0
    text = capsys.readouterr().out
    lines = {line.partition(" ")[0]: line for line in text.splitlines()}
    assert text.splitlines()[3].split()[:3] == ["speech", "audio", "3"]
    assert text.splitlines()[3].endswith(" 25 s")
    assert "x real time, " in lines["speech"]
    assert " passages a second, " in lines["text"]
    assert "problems  1 asset cannot be embedded as they are:" in text
    assert "archive/empty.mp3: InputError" in text
    assert lines["units"] == "units     6 planned: 25 s of sound and 53 B of text"
    assert " expected, of " in lines["vectors"]
    assert " on 2 workers, " in lines["time"]
    assert re.fullmatch(r"price     [\d,.]+ to [\d,.]+ USD", lines["price"])
    assert "requests" not in lines  # nothing of it is on S3
    assert lines["assumed"].startswith("assumed   each of 2 workers has ")
    assert run(["plan", str(place), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["measured"]["speech"]["rows"] > 0
    assert document["measured"]["text"]["rows"] == 2
    assert run(["plan", str(place)]) == 0
    assert "price     unknown: the spec has no rates" in capsys.readouterr().out


@pytest.mark.slow
def test_an_archive_that_was_cut_short_is_planned_without_a_probe(
    tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plan is in runs/, two units are committed, nothing is published: plan and embed see the same units left."""
    write_archive(tmp_path / "archive")
    prepared = prepare(spec_of(tmp_path, tiny_model))
    first, _ = prepared.work(Silent())
    job = prepared.job()
    write_run(job.url, begin_run(1).model_copy(update={"plan": keep_plan(job.url, first.assets)}))
    for unit in first.todo.slice(0, 2).to_pylist():
        commit_unit(job, rows(job.dims[0]).empty_table(), ledger_row(unit, "skipped"), failures_of("a"))

    probed: list[str] = []
    probe = prober._probed

    def counted(asset: Asset) -> prober.Probed:
        probed.append(asset.uri)
        return probe(asset)

    monkeypatch.setattr(prober, "_probed", counted)
    work, _ = prepared.work(Silent())
    assert probed == ["archive/empty.mp3"], "what has a problem is looked at again, and nothing else"
    assert work.todo.equals(work_left(job, prepared.list_inputs(Silent()), prepared.cutting).todo)
    assert work.todo.equals(first.todo.slice(2))
    assert (work.planned, work.before.units) == (first.planned, 2)
    plan = plan_archive(prepared.spec).document()
    assert (plan["committed"]["units"], plan["left"]["units"]) == (2, 4)


@pytest.mark.slow
def test_the_models_spec_is_read_once(tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archive(tmp_path / "archive")
    reads, read = list[Path](), Path.read_text

    def counted(path: Path, *args: Any, **kwargs: Any) -> str:
        reads.append(path)
        return read(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", counted)
    plan_archive(spec_of(tmp_path, tiny_model))
    assert [path.name for path in reads].count(SPEC) == 1


@pytest.mark.slow
def test_an_output_of_another_spec_is_noted(tmp_path: Path, tiny_model: str) -> None:
    write_archive(tmp_path / "archive")
    open_job(str(tmp_path / "out"), {"other": 1}, (4, 2), "space", "encoder")
    plan = plan_archive(spec_of(tmp_path, tiny_model))
    assert plan.document()["committed"]["units"] == 0
    assert "note      the output was begun with another spec: `deglu embed` requires --new-version" in plan.text()


@pytest.mark.slow
def test_a_gpu_that_is_not_here(tmp_path: Path, tiny_model: str) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    write_archive(tmp_path / "archive")
    with pytest.raises(SpecError, match="device = gpu: this machine has no GPU to take a sample on"):
        plan_archive(spec_of(tmp_path, tiny_model, device="gpu"))
