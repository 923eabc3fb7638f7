"""`deglu embed` on small archives with a tiny random model: what goes wrong, what comes again, what is killed."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed.accounting import imbalances
from embed.dataset import open_dataset
from embed.dataset.job import read_job
from embed.dataset.log import versions
from embed.dataset.runs import begin_run, newest_runs, write_run
from embed.dataset.staging import attempts as attempts_of
from embed.dataset.staging import staged
from embed.errors import InputError, SpecError, WorkLeftUndone
from embed.model.handle import resolve_model
from embed.model.weights import load_model
from embed.storage.store import join, write_bytes
from jobs.__main__ import run
from jobs.cluster.attempts import Attempts
from jobs.cluster.handshake import Terms
from jobs.command.progress import Silent
from jobs.embedding import embed_archive as job
from jobs.embedding import run_units
from jobs.embedding.embed_archive import embed_archive
from jobs.embedding.preparation import prepare
from tests.embed.vectors import begin
from tests.jobs.embedding.killer import Killer
from tests.jobs.embedding.light_worker import LightEncodeWorker, take
from tests.jobs.embedding.small_archive import GOOD, SENTENCES, Embedded, rows_at, spec_of, write_bad, written

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


def test_bad_files_become_failures_and_the_job_completes(embedded: Embedded) -> None:
    failures = open_dataset(str(embedded.output)).failures().to_pylist()
    found = {row["uri"]: (row["stage"], row["message"]) for row in failures}
    assert len(failures) == 4
    assert set(found) == {f"archive/{name}" for name in ("corrupt.flac", "empty.mp3", "letter.wav", "sample.wav")}
    assert {uri.partition("/")[2]: stage for uri, (stage, _) in found.items()} == {
        "corrupt.flac": "decode",
        "empty.mp3": "probe",
        "letter.wav": "probe",
        "sample.wav": "segment",
    }
    assert "damaged" in found["archive/corrupt.flac"][1]
    assert "empty file (0 bytes)" in found["archive/empty.mp3"][1]
    assert "too short: 1 sample" in found["archive/sample.wav"][1]

    report = embedded.report
    assert report.exit_code == 3
    assert (report.assets, report.failed_assets, report.new_units, report.version.number) == (10, 4, 10, 1)
    a = report.version.accounting
    assert (a.units, a.embedded, a.failed, a.skipped) == (10, 6, 4, 0)
    assert imbalances(open_dataset(str(embedded.output)).ledger(), 10) == []
    assert "10 listed = 6 embedded + 4 failed + 0 skipped" in report.text()
    assert json.loads(json.dumps(report.document()))["exit_code"] == 3


def test_every_good_file_has_rows_with_the_models_vectors(embedded: Embedded, tiny_model: str) -> None:
    rows = rows_at(embedded.output)
    assert {uri.partition("/")[2] for uri in rows["uri"].to_pylist()} == set(GOOD)
    assert len(set(rows["segment_id"].to_pylist())) == rows.num_rows == embedded.report.version.rows
    texts = rows.filter(pa.compute.equal(rows["modality"], "text"))
    assert sorted(texts["text"].to_pylist()) == sorted([*SENTENCES, *SENTENCES[:2]])
    expected = load_model(resolve_model(tiny_model)).encode(texts["text"].to_pylist(), "document")
    np.testing.assert_allclose(np.asarray(texts["vector"].to_pylist(), np.float32), expected, atol=1e-3)
    speech = rows.filter(pa.compute.equal(rows["modality"], "speech")).to_pylist()
    for container in ("wav", "flac", "ogg", "mp3"):  # two stretches of speech, around a second of silence
        spans = [(r["start_s"], r["end_s"]) for r in speech if r["uri"].endswith(container)]
        assert any(start < 0.5 and 2 < end < 3.2 for start, end in spans)
        assert any(3 < start < 4 and end > 4.5 for start, end in spans)


@pytest.mark.usefixtures("light")
def test_two_workers_give_the_very_rows_of_one(lightly: Embedded, tmp_path: Path, tiny_model: str) -> None:
    report = embed_archive(spec_of(lightly.folder, tmp_path / "out", tiny_model, workers=2))
    assert report.exit_code == 3
    assert rows_at(tmp_path / "out").equals(rows_at(lightly.output))


def test_a_second_run_does_nothing(embedded: Embedded, tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "ray_session", lambda: pytest.fail("Ray is not needed"))
    again = embed_archive(spec_of(embedded.folder, embedded.output, tiny_model))
    assert again.new_units == 0
    assert again.exit_code == 3
    assert again.version == embedded.report.version
    assert versions(str(embedded.output)) == [1]


def test_a_worker_whose_machine_has_other_weights_starts_no_unit_and_blames_none(
    tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine that has joined after all were asked: here none is asked, but for the worker itself."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "news.txt").write_text("The ferry leaves at six.\n", encoding="utf-8")
    spec = spec_of(tmp_path / "in", tmp_path / "out", tiny_model)
    terms_of = job.embedding_terms

    def of_another_driver(*given: Any) -> Terms:
        terms = terms_of(*given)
        return replace(terms, weights=tuple(replace(one, digest="0" * 32) for one in terms.weights))

    with monkeypatch.context() as patch:
        patch.setattr(job, "embedding_terms", of_another_driver)
        with pytest.raises(
            WorkLeftUndone, match=r"no machine is left .*: other weights are there .* Nothing was recorded"
        ):
            embed_archive(spec)
    begun = read_job(str(spec.output))
    assert (versions(begun.url), staged(begun), attempts_of(begun)) == ([], [], {})
    take(LightEncodeWorker, monkeypatch)
    assert embed_archive(spec).exit_code == 0


@pytest.mark.usefixtures("light")
def test_tomorrow_adds_only_what_is_new_and_buries_what_is_gone(
    embedded: Embedded, tmp_path: Path, tiny_model: str
) -> None:
    # The archive and its vectors have moved since; that alone makes nothing new.
    folder, output = tmp_path / "moved", tmp_path / "vectors"
    shutil.copytree(embedded.folder, folder)
    shutil.copytree(embedded.output, output)
    before = rows_at(output)
    (folder / "news.txt").write_text("The ferry will not leave today.\n", encoding="utf-8")
    (folder / "notes.txt").write_text("Somebody wrote other notes.\n", encoding="utf-8")
    second = embed_archive(spec_of(folder, output, tiny_model))
    assert (second.new_units, second.version.number, second.gone_assets) == (2, 2, 0)
    kept = before.filter(pa.compute.not_equal(before["uri"], "archive/notes.txt"))
    rows = rows_at(output)
    is_new = pa.compute.is_in(rows["uri"], value_set=pa.array(["archive/notes.txt", "archive/news.txt"]))
    assert rows.filter(pa.compute.invert(is_new)).equals(kept)
    new_texts = ["Somebody wrote other notes.", "The ferry will not leave today."]
    assert sorted(rows.filter(is_new)["text"].to_pylist()) == new_texts
    assert rows_at(output, 1).equals(before)

    (folder / "voice.mp3").unlink()
    third = embed_archive(spec_of(folder, output, tiny_model))
    assert (third.new_units, third.version.number, third.gone_assets) == (0, 3, 1)
    assert rows_at(output).equals(rows.filter(pa.compute.not_equal(rows["uri"], "archive/voice.mp3")))
    assert sorted(open_dataset(str(output)).tombstones()["reason"].to_pylist()) == ["gone", "replaced"]
    a = third.version.accounting
    assert (a.units, a.embedded, a.failed) == (10, 6, 4)


def test_another_way_of_cutting_is_refused(embedded: Embedded, tiny_model: str) -> None:
    spec = spec_of(embedded.folder, embedded.output, tiny_model, segment={"mode": "windows"})
    with pytest.raises(SpecError, match=r'spec\.segment\.mode is "hybrid" in the output and "windows" in this spec'):
        embed_archive(spec)


@pytest.mark.usefixtures("light")
def test_nothing_embedded_is_a_failure(tmp_path: Path, tiny_model: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    write_bad(tmp_path / "in")
    spec = written(tmp_path, spec_of(tmp_path / "in", tmp_path / "out", tiny_model))
    assert run(["embed", str(spec), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["rows"], document["failures"], document["exit_code"]) == (0, 4, 1)
    assert document["cause"].endswith("(1 time, e.g. archive/corrupt.flac)")


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("light")
def test_an_input_that_cannot_be_read_never_ends_the_job(
    tmp_path: Path, tiny_model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.txt").write_text("The market opens at six.\n")
    (folder / os.fsdecode(b"\xe9mission.txt")).write_text("A programme.\n")
    (folder / "self.wav").symlink_to("self.wav")
    (folder / "up").symlink_to(".")
    (folder / "disk.txt").symlink_to("/proc/self/mem")
    (folder / "users.txt").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.wav")
    (folder / "cover.jpg").touch()
    spec = spec_of(folder, tmp_path / "out", tiny_model)
    work, _ = prepare(spec).work(Silent())
    foreseen = work.assets.filter(pa.compute.is_valid(work.assets["problem"]))["uri"].to_pylist()
    assert run(["embed", str(written(tmp_path, spec)), "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["rows"], document["failures"], document["passed_over"]) == (2, 5, {"picture": 1})
    assert set(rows_at(tmp_path / "out")["uri"].to_pylist()) == {"archive/good.txt", r"archive/\xe9mission.txt"}
    failures = {row["uri"]: row["message"] for row in open_dataset(spec.output).failures().to_pylist()}
    assert (
        sorted(failures)
        == sorted(foreseen)
        == [f"archive/{name}" for name in ("disk.txt", "pipe.wav", "self.wav", "up/", "users.txt")]
    )
    assert "set `follow: outside` for the input" in failures["archive/users.txt"]
    assert run(["failures", spec.output, "--skipped"]) == 0
    assert "archive/cover.jpg" in capsys.readouterr().out


@pytest.mark.s3
@pytest.mark.usefixtures("light")
def test_from_s3_to_s3(s3_url: str, lightly: Embedded, tiny_model: str) -> None:
    for name in ("voice.ogg", "docs.jsonl", "empty.mp3"):
        write_bytes(join(s3_url, "archive", name), (lightly.folder / name).read_bytes())
    report = embed_archive(spec_of(f"{s3_url}/archive", f"{s3_url}/vectors", tiny_model))
    assert report.exit_code == 3
    assert report.failed_assets == 1
    rows, local = rows_at(f"{s3_url}/vectors"), rows_at(lightly.output)
    same = local.filter(pa.compute.is_in(local["uri"], value_set=pa.array(["archive/voice.ogg", "archive/docs.jsonl"])))
    # Ids follow the content version, which is an etag there; everything else is the same.
    order = [("uri", "ascending"), ("start_s", "ascending"), ("end_s", "ascending"), ("item", "ascending")]
    columns = ["uri", "start_s", "end_s", "start", "end", "item", "text", "space", "encoder", "vector"]
    assert rows.sort_by(order).select(columns).equals(same.sort_by(order).select(columns))


@pytest.mark.chaos
def test_a_unit_that_kills_its_worker_is_halved_and_all_but_a_little_is_kept(
    tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = tmp_path / "in", str(tmp_path / "out")
    folder.mkdir()
    paragraphs = [f"Paragraph {i:04d} is short." for i in range(400)]  # just over two of the least pieces
    paragraphs[50] = "Here is poison."
    text = "\n\n".join(paragraphs) + "\n"
    (folder / "poison.txt").write_text(text, encoding="utf-8")
    (folder / "water.txt").write_text("Water.\n", encoding="utf-8")
    take(Killer, monkeypatch)
    attempts = Attempts(piece_deaths=1)  # each takes seconds to come back from
    report = embed_archive(spec_of(folder, url, tiny_model), attempts=attempts)
    assert (report.exit_code, report.failures, report.version.accounting.embedded) == (3, 1, 2)
    failure = open_dataset(url).failures().to_pylist()[0]
    assert (failure["uri"], failure["stage"], failure["error_class"]) == ("archive/poison.txt", "worker", "WorkerDied")
    assert failure["start"] <= text.index("poison") < failure["end"]
    assert failure["end"] - failure["start"] < 8192
    kept = set(rows_at(url)["text"].to_pylist()) - {"Water."}
    assert kept < set(paragraphs)
    assert len(kept) >= 400 - 8192 // 26
    assert report.run.restarts >= 2
    assert staged(read_job(url)) == []


@pytest.mark.chaos
@pytest.mark.slow
def test_units_that_ran_next_to_a_bad_one_do_not_run_alone_in_the_next_run(
    tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run ends as soon as the bad one is known, the second embeds the others in the normal way."""
    folder, url = tmp_path / "in", str(tmp_path / "out")
    folder.mkdir()
    (folder / "a.txt").write_text("Here is poison.\n", encoding="utf-8")
    for number in range(5):
        (folder / f"water-{number}.txt").write_text(f"Water {number}.\n", encoding="utf-8")
    take(Killer, monkeypatch)
    attempts = Attempts(starts=1, piece_deaths=1)  # each death takes seconds
    first, second = Notes(), Notes()
    with pytest.raises(run_units.TooManyFailed):
        embed_archive(spec_of(folder, url, tiny_model, max_failed_fraction=0.1), first, attempts=attempts)
    assert "6 units were started before and not finished: each runs alone now" in "".join(first.told)
    assert len(staged(read_job(url))) == 1
    report = embed_archive(spec_of(folder, url, tiny_model), second, attempts=attempts)
    assert (report.exit_code, report.failures, report.version.rows, report.run.restarts) == (3, 1, 5, 0)
    assert "alone" not in "".join(second.told)


@pytest.mark.usefixtures("light")
def test_a_new_version_cuts_anew_and_keeps_the_texts(embedded: Embedded, tmp_path: Path, tiny_model: str) -> None:
    output = tmp_path / "vectors"
    shutil.copytree(embedded.output, output)
    before = rows_at(output)
    spec = spec_of(embedded.folder, output, tiny_model, segment={"mode": "windows", "window_s": 2, "hop_s": 1})
    report = embed_archive(spec, new_version=True)
    rows = rows_at(output)
    is_text = pa.compute.equal(rows["modality"], "text")
    assert rows.filter(is_text).equals(before.filter(pa.compute.equal(before["modality"], "text")))
    assert not set(rows.filter(pa.compute.invert(is_text))["segment_id"].to_pylist()) & set(
        before["segment_id"].to_pylist()
    )
    assert (report.version.number, report.version.accounting.units, report.new_units) == (2, 10, 8)
    assert rows_at(output, 1).equals(before)
    with pytest.raises(SpecError, match="--new-version"):
        embed_archive(spec_of(embedded.folder, output, tiny_model))


@pytest.mark.usefixtures("light")
def test_a_hopeless_job_stops_early(tmp_path: Path, tiny_model: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02d}.mp3").write_text("no sound, but long enough to be read\n" * 60)
    spec = spec_of(folder, tmp_path / "out", tiny_model, max_failed_fraction=0.1, segment={"unit_s": 10})
    assert run(["embed", str(written(tmp_path, spec))]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"deglu: stopped early: \d+ of 40 assets failed, more than max_failed_fraction = 0.1 allows", told)
    assert newest_runs(str(tmp_path / "out"))[0].state == "stopped"
    assert versions(str(tmp_path / "out")) == []


def test_a_lost_mount_is_not_taken_for_an_empty_archive(embedded: Embedded, tmp_path: Path, tiny_model: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy2(embedded.folder / "notes.txt", folder)
    with pytest.raises(InputError, match=r"9 of 10 assets .* are no longer in the inputs: is a mount missing"):
        embed_archive(spec_of(folder, embedded.output, tiny_model))
    assert versions(str(embedded.output)) == [1]


def test_a_copy_without_times_keeps_its_vectors(
    embedded: Embedded, tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "ray_session", lambda: pytest.fail("Ray is not needed"))
    folder, output = tmp_path / "in", tmp_path / "vectors"
    folder.mkdir()
    shutil.copytree(embedded.output, output)
    for name in GOOD:
        shutil.copyfile(embedded.folder / name, folder / name)
    notes = Notes()
    report = embed_archive(spec_of(folder, output, tiny_model), notes)
    assert (report.new_units, report.replaced_assets, report.gone_assets, report.exit_code) == (0, 0, 4, 0)
    assert rows_at(output).equals(rows_at(embedded.output))
    assert notes.told[0].startswith("6 files with other times and the size of before, ")
    again = Notes()
    assert embed_archive(spec_of(folder, output, tiny_model), again).version == report.version
    assert not any("other times" in note for note in again.told), "the times are known by now"


@pytest.mark.usefixtures("light")
def test_cutting_ahead_gives_the_very_rows(lightly: Embedded, tmp_path: Path, tiny_model: str) -> None:
    report = embed_archive(spec_of(lightly.folder, tmp_path / "out", tiny_model, cut_ahead=True))
    assert report.exit_code == 3
    assert rows_at(tmp_path / "out").equals(rows_at(lightly.output))


def test_two_drivers_know_of_each_other(embedded: Embedded, tmp_path: Path) -> None:
    begun, notes = begin(str(tmp_path)), Notes()
    first, second = (begin_run(1).model_copy(update={"id": name, "job": begun.number}) for name in ("1-a", "1-b"))
    write_run(begun.url, first)
    assert not job._is_second(begun, first, notes)
    write_run(begun.url, second)
    assert not job._is_second(begun, first, notes)
    assert "both share the work" in notes.told[0]
    assert job._is_second(begun, second, notes), "the later one begins at the other end"


class Notes(Silent):
    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


@pytest.mark.usefixtures("light")
def test_failures_of_what_went_are_told_no_more(tmp_path: Path, tiny_model: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "water.txt").write_text("Water.\n", encoding="utf-8")
    (folder / "broken.mp3").write_text("no sound")
    first = embed_archive(spec_of(folder, tmp_path / "out", tiny_model))
    assert (first.exit_code, first.failures) == (3, 1)
    (folder / "broken.mp3").unlink()
    second = embed_archive(spec_of(folder, tmp_path / "out", tiny_model))
    assert (second.exit_code, second.failures, second.gone_assets) == (0, 0, 1)
    assert "assets   1 gone and 0 changed since the previous version" in second.text()
