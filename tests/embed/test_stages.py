"""Stages by themselves: rows, ledger and failures of units of known content; three runners, the same rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed import tables
from embed.accounting import imbalances
from embed.segmentation.rules import Cutting
from embed.stages import EncodeUnits, cut_stage
from embed.tables import FailureRow, LedgerRow
from tests.embed.sounds import CUTTING, LETTERS, PASSAGE, SEGMENT, Spectrum, tone, units_of, write_archive, write_wave

Commits = dict[bytes, tuple[pa.Table, list[FailureRow]]]


def run_all(units: pa.Table) -> tuple[pa.Table, Commits]:
    """In a for-loop: the ledger, and what was committed, by unit."""
    commits: Commits = {}

    def commit(rows: pa.Table, ledger: LedgerRow, failures: list[FailureRow]) -> None:
        commits[ledger["unit_id"]] = (rows, failures)

    cut, encode = cut_stage(CUTTING, LETTERS), EncodeUnits(Spectrum(), commit)
    ledgers = [encode(cut.run(units.slice(i, 1))) for i in range(units.num_rows)]
    return pa.concat_tables(ledgers), commits


def rows_of(commits: Commits) -> pa.Table:
    return pa.concat_tables(rows for rows, _ in commits.values())


def vectors_of(rows: pa.Table) -> Any:
    return np.asarray(rows["vector"].to_pylist(), np.float32)


def test_rows_say_where_they_come_from(tmp_path: Path) -> None:
    write_archive(tmp_path)
    units = units_of(tmp_path, lang="fr", metadata={"station": "Dakar"})
    ledger, commits = run_all(units)
    assert ledger.schema == tables.LEDGER
    assert ledger["unit_id"].to_pylist() == units["unit_id"].to_pylist()
    assert imbalances(ledger, units.num_rows) == []

    rows = rows_of(commits)
    assert rows.schema.equals(tables.rows(4))
    assert len(set(rows["segment_id"].to_pylist())) == rows.num_rows == sum(ledger["rows"].to_pylist())
    assert set(rows["space"].to_pylist()) == {"spectrum-space"}
    assert set(rows["encoder"].to_pylist()) == {"spectrum-encoder"}
    speech = rows.filter(pa.compute.equal(rows["modality"], "speech")).to_pylist()
    assert [(row["start_s"], row["end_s"]) for row in speech] == [(float(s), s + 2.0) for s in range(15)]
    assert {(row["start"], row["end"], row["text"], row["lang"]) for row in speech} == {(None, None, None, "fr")}
    assert {tuple(row["metadata"]) for row in speech} == {(("station", "Dakar"),)}


def test_texts_keep_their_characters_and_items(tmp_path: Path) -> None:
    write_archive(tmp_path)
    _, commits = run_all(units_of(tmp_path, lang="fr"))
    texts = [row for row in rows_of(commits).to_pylist() if row["modality"] == "text"]
    whole = (tmp_path / "letters.txt").read_text(encoding="utf-8")
    plain = [row for row in texts if row["item"] is None]
    assert [row["text"] for row in plain] == ["aaa a.", "bbb b.", "ccc dd."]
    assert all(whole[row["start"] : row["end"]] == row["text"] for row in plain)
    documents = {row["item"]: row for row in texts if row["item"]}
    assert [documents[item]["text"] for item in ("one", "two")] == ["ab", "dddd"]
    assert {(row["start_s"], row["end_s"]) for row in texts} == {(None, None)}


def test_vectors_are_half_precision_and_unit_length(tmp_path: Path) -> None:
    write_archive(tmp_path)
    _, commits = run_all(units_of(tmp_path))
    rows = rows_of(commits)
    assert rows["vector"].type == pa.list_(pa.float16(), 4)
    np.testing.assert_allclose(np.linalg.norm(vectors_of(rows), axis=1), 1, atol=1e-3)
    # Each tone has its band, each letter its axis.
    of = {
        (row["start_s"], row["text"]): int(np.argmax(v))
        for row, v in zip(rows.to_pylist(), vectors_of(rows), strict=True)
    }
    assert [of[(s, None)] for s in (0.0, 4.0, 8.0, 12.0)] == [0, 1, 2, 3]
    assert [of[(None, text)] for text in ("aaa a.", "bbb b.", "dddd")] == [0, 1, 3]


def test_the_fault_of_one_segment_leaves_the_others(tmp_path: Path) -> None:
    # Windows of 2 s every second: only 3-5 and 4-6 hold the loud second 4-5; 3-4 and 5-6 are held by others as well.
    write_wave(tmp_path / "loud.wav", tone(4, 500), tone(1, 500, 0.99), tone(5, 500))
    units = units_of(tmp_path)
    ledger, commits = run_all(units)
    (rows, failures) = commits[units["unit_id"][0].as_py()]
    assert rows["start_s"].to_pylist() == [0, 1, 2, 5, 6, 7, 8]
    assert [(f["start"], f["end"], f["lost_s"]) for f in failures] == [(3000, 5000, 1.0), (4000, 6000, 0.0)]
    assert {(f["stage"], f["error_class"], f["message"], f["uri"]) for f in failures} == {
        ("encode", "ValueError", "too loud", "archive/loud.wav")
    }
    row = ledger.to_pylist()[0]
    assert (row["outcome"], row["rows"]) == ("embedded", 7)
    assert (row["decoded_s"], row["embedded_s"], row["not_speech_s"], row["lost_s"]) == (10.0, 9.0, 0.0, 1.0)


def test_a_unit_whose_segments_all_fail_has_failed(tmp_path: Path) -> None:
    write_wave(tmp_path / "loud.wav", tone(12, 500, 0.99))
    ledger, commits = run_all(units_of(tmp_path))
    assert ledger["outcome"].to_pylist() == ["failed", "failed"]
    assert sum(ledger["lost_s"].to_pylist()) == pytest.approx(12, abs=1e-3)
    assert sum(f["lost_s"] for _, found in commits.values() for f in found) == pytest.approx(12, abs=1e-3)
    assert imbalances(ledger, ledger.num_rows) == []
    assert rows_of(commits).schema.equals(tables.rows(4))


def test_what_decoding_lost_is_not_lost_again(tmp_path: Path) -> None:
    # Half a second is not finite: zeros that lie in windows which then fail.
    write_wave(tmp_path / "loud.wav", tone(2, 500, 0.99), np.full(8000, np.nan, np.float32), tone(1.5, 500, 0.99))
    ledger, commits = run_all(units_of(tmp_path))
    row = ledger.to_pylist()[0]
    assert (row["decoded_s"], row["embedded_s"], row["lost_s"], row["outcome"]) == (4.0, 0.0, 4.0, "failed")
    assert {f["stage"] for _, found in commits.values() for f in found} == {"decode", "encode"}
    assert imbalances(ledger, 1) == []


def test_texts_fail_one_by_one_and_lose_no_seconds(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("aaa.\n\nbb # b.\n\nc ~ c.\n\nddd.\n", encoding="utf-8")
    ledger, commits = run_all(units_of(tmp_path))
    (rows, failures) = next(iter(commits.values()))
    assert rows["text"].to_pylist() == ["aaa.", "ddd."]
    assert [(f["error_class"], f["message"], f["lost_s"]) for f in failures] == [
        ("InputError", "a text with a hash", 0.0),
        ("DegluError", "the model returned a vector that is not finite", 0.0),
    ]
    assert ledger["outcome"].to_pylist() == ["embedded"]


def test_silence_is_skipped_and_rubbish_fails(tmp_path: Path) -> None:
    write_wave(tmp_path / "silence.wav", tone(3, 500, 0.0))
    (tmp_path / "rubbish.wav").write_bytes(b"not a recording" * 40)
    vad = SEGMENT.model_copy(update={"mode": "vad"})
    cut, commits = cut_stage(Cutting(vad, PASSAGE, LETTERS.digest), LETTERS), []
    units = units_of(tmp_path, vad)
    ledger = EncodeUnits(Spectrum(), lambda *given: commits.append(given))(cut.run(units))
    assert dict(zip(units["uri"].to_pylist(), ledger["outcome"].to_pylist(), strict=True)) == {
        "archive/rubbish.wav": "failed",
        "archive/silence.wav": "skipped",
    }
    assert [row["not_speech_s"] for row in ledger.to_pylist()] == [0.0, 3.0]
    assert ledger["reason"].to_pylist() == [None, "no speech in 3.0 s: silent (zeros)"]
    assert imbalances(ledger, 2) == []


class Actor:
    """The stages as an actor of Ray Data holds them; passes rows on instead of committing them."""

    def __init__(self) -> None:
        self._rows: list[pa.Table] = []
        self._encode = EncodeUnits(Spectrum(), lambda rows, ledger, failures: self._rows.append(rows))

    def __call__(self, units: pa.Table) -> pa.Table:
        self._rows.clear()
        self._encode(cut_stage(CUTTING, LETTERS).run(units))
        return pa.concat_tables(self._rows)


def in_a_loop(units: pa.Table) -> pa.Table:
    return pa.concat_tables(Actor()(units.slice(i, 1)) for i in range(units.num_rows))


def in_ray_tasks(units: pa.Table) -> pa.Table:
    import ray

    task = ray.remote(num_cpus=1)(lambda unit: Actor()(unit))
    return pa.concat_tables(ray.get([task.remote(units.slice(i, 1)) for i in range(units.num_rows)]))


def in_ray_actors(units: pa.Table) -> pa.Table:
    import ray.data

    one_each = ray.data.from_arrow([units.slice(i, 1) for i in range(units.num_rows)])
    rows = one_each.map_batches(
        Actor,
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    return pa.concat_tables(rows.iter_batches(batch_size=None, batch_format="pyarrow"))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("runner", [in_ray_tasks, in_ray_actors])
def test_every_runner_gives_the_same_rows(tmp_path: Path, runner: Callable[[pa.Table], pa.Table]) -> None:
    write_archive(tmp_path)
    units = units_of(tmp_path)
    expected, found = (run(units).sort_by("segment_id") for run in (in_a_loop, runner))
    assert expected.num_rows == 20
    assert found.schema.equals(tables.rows(4))  # float16 lists, not Ray's own tensors
    assert found.equals(expected)
