"""What a run says of itself in storage, and when a job is limit."""

import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from embed.dataset import runs
from embed.dataset.runs import Run, begin_run, newest_runs
from embed.errors import InputError
from embed.identity import digest
from jobs.command.progress import Silent
from jobs.embedding import watch
from jobs.embedding.encode_worker import OUTCOMES
from jobs.embedding.watch import FailureLimit, Watch


def outcome(asset: str, result: str, start: int = 0, note: str | None = None) -> dict[str, Any]:
    return {
        "unit_id": digest(asset, start), "asset_id": digest(asset), "content_version": "v", "outcome": result,
        "rows": int(result == "embedded"), "decoded_s": 9.0, "embedded_s": 0.0, "not_speech_s": 0.0, "lost_s": 0.0,
        "uri": f"radio/{asset}", "modality": "speech", "start": start, "planned": 10_000,
        "precision": "float32", "note": note,
    }  # fmt: skip


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=OUTCOMES)


def todo(*assets: str) -> pa.Table:
    return pa.table({"asset_id": pa.array([digest(asset) for asset in assets], pa.binary(16))})


class Heard(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def stored(url: Path) -> Run:
    return newest_runs(str(url))[0]


def test_a_run_counts_and_says_how_it_ended(tmp_path: Path) -> None:
    heard = Heard()
    with Watch(str(tmp_path), begin_run(2), heard) as seen:
        assert stored(tmp_path).state == "listing"
        seen.update(state="embedding")
        seen.observe(table(outcome("a", "embedded"), outcome("b", "failed", note="batches are halved")))
        seen.observe(table(outcome("c", "elsewhere")))
    run = stored(tmp_path)
    assert (run.state, run.workers, run.done.units, run.done.sound_s, run.failures) == ("complete", 2, 2, 20.0, 1)
    assert heard.notes == ["batches are halved"]


@pytest.mark.parametrize(
    ("error", "state"),
    [(InputError("gone"), "failed"), (KeyboardInterrupt(), "interrupted"), (SystemExit(15), "stopped")],
)
def test_a_run_that_ends_badly_says_so(tmp_path: Path, error: BaseException, state: str) -> None:
    with pytest.raises(type(error)), Watch(str(tmp_path), begin_run(1), Silent()):
        raise error
    assert stored(tmp_path).state == state
    assert not runs.is_alive(stored(tmp_path))


def test_units_in_progress_are_named_when_nothing_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SEEN_EVERY_S", 0.02)
    heard = Heard()
    with Watch(str(tmp_path), begin_run(1), heard, slow_after_s=0.05) as seen:
        seen.unfinished = lambda: ["radio/monday.mp3"]
        seen.update(state="embedding")
        while not heard.notes:
            time.sleep(0.01)
        while stored(tmp_path).slow != ("radio/monday.mp3",):
            time.sleep(0.01)
        seen.observe(table(outcome("a", "embedded")))
    assert "in progress: radio/monday.mp3" in heard.notes[0]
    assert stored(tmp_path).slow == ()


def test_a_job_is_hopeless_when_more_assets_failed_than_may() -> None:
    limit = FailureLimit(todo("a", "b", "c", "d"), 4, 0.5)
    assert not limit.observe(table(outcome("a", "failed"), outcome("b", "failed")))
    assert not limit.observe(table(outcome("d", "embedded")))
    assert limit.observe(table(outcome("c", "failed")))


def test_an_asset_of_several_units_has_failed_when_all_of_them_have() -> None:
    limit = FailureLimit(todo("a", "a", "a", "b", "b"), 2, 0.0)
    assert not limit.observe(table(outcome("a", "failed", 0), outcome("a", "embedded", 1)))
    assert not limit.observe(table(outcome("a", "failed", 2)))
    assert not limit.observe(table(outcome("b", "failed", 1)))
    assert limit.observe(table(outcome("b", "skipped", 0), outcome("b", "failed", 0)))


def test_the_rest_of_an_asset_that_a_former_run_has_begun_is_not_the_whole() -> None:
    limit = FailureLimit(todo("a", "a"), 1, 0.0)
    assert not limit.observe(table(outcome("a", "failed", 600_000), outcome("a", "failed", 1_200_000)))
