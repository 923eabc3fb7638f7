"""What a run leaves in storage, and what is told by it."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from embed.dataset.runs import (
    begin_run,
    is_alive,
    keep_passed_over,
    keep_plan,
    newest_runs,
    read_passed_over,
    read_plan,
    tidy_runs,
    write_run,
)
from embed.dataset.version import write_table
from embed.errors import InputError
from embed.storage.store import join, listing, write_bytes
from embed.tables import PASSED_OVER
from tests.embed.vectors import manifest


def test_runs_come_newest_first_and_damaged_ones_are_left_out(storage_url: str) -> None:
    runs = [begin_run(1).model_copy(update={"id": f"2026110{day}T000000-0"}) for day in (1, 2, 3)]
    for run in runs:
        write_run(storage_url, run)
    write_bytes(join(storage_url, "runs", "20261109T000000-0.json"), b"{")
    assert newest_runs(storage_url, 2) == [runs[2], runs[1]]


def test_a_run_lives_while_it_is_seen() -> None:
    run, now = begin_run(1), datetime.now(UTC)
    assert is_alive(run, now)
    assert not is_alive(run, now + timedelta(minutes=2))
    assert not is_alive(run.model_copy(update={"state": "failed"}), now)


def test_a_driver_of_this_machine_that_is_no_more_is_dead_at_once() -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here = begin_run(1).host.rpartition(":")[0]
    assert begin_run(1).host == f"{here}:{os.getpid()}"
    assert not is_alive(begin_run(1).model_copy(update={"host": f"{here}:{dead.pid}"}))
    assert is_alive(begin_run(1).model_copy(update={"host": f"elsewhere:{dead.pid}"}))


def test_equal_plans_are_one_file_and_are_read_by_column(storage_url: str) -> None:
    run = begin_run(1)
    assert read_plan(storage_url, run).num_rows == 0
    name = keep_plan(storage_url, manifest("a", "b"))
    assert keep_plan(storage_url, manifest("a", "b")) == name
    planned = run.model_copy(update={"plan": name})
    assert read_plan(storage_url, planned).equals(manifest("a", "b"))
    assert read_plan(storage_url, planned, ["asset_id"]).column_names == ["asset_id"]
    assert read_plan(storage_url, run.model_copy(update={"plan": "plans/gone.parquet"})).num_rows == 0
    write_bytes(join(storage_url, name), b"PAR1 damaged")
    assert read_plan(storage_url, planned).num_rows == 0
    assert keep_plan(storage_url, manifest("a", "b")) == name
    assert read_plan(storage_url, planned).num_rows == 2


def test_a_plan_of_an_older_version_has_nulls_for_newer_columns(storage_url: str) -> None:
    older = write_table(storage_url, "plans", manifest("a").drop_columns(["track", "tracks"]))
    run = begin_run(1).model_copy(update={"plan": older.name})
    assert read_plan(storage_url, run).equals(manifest("a"))
    assert read_plan(storage_url, run, ["tracks", "uri"]).to_pylist() == [{"tracks": None, "uri": "demo/a"}]


def test_old_runs_are_tidied_and_the_plans_of_the_kept_stay(storage_url: str) -> None:
    name = keep_plan(storage_url, manifest("a"))
    for day in range(1, 6):
        run = begin_run(1).model_copy(update={"id": f"2026110{day}T000000-0", "plan": name})
        write_run(storage_url, run)
    tidy_runs(storage_url, keep=2)
    assert [run.id[:8] for run in newest_runs(storage_url, 9)] == ["20261105", "20261104"]
    assert len(listing(join(storage_url, "plans"))) == 1


def test_lists_of_files_that_are_passed_over_are_kept_with_their_runs(storage_url: str) -> None:
    files = pa.table([["in/a.jpg"], ["picture"]], schema=PASSED_OVER)
    assert keep_passed_over(storage_url, files.slice(0, 0)) is None
    run = begin_run(1).model_copy(update={"passed_over_list": keep_passed_over(storage_url, files)})
    write_run(storage_url, run)
    tidy_runs(storage_url)
    assert read_passed_over(storage_url, run).equals(files)
    assert read_passed_over(storage_url, begin_run(1)).num_rows == 0
    with pytest.raises(InputError, match="no such"):
        read_passed_over(storage_url, run.model_copy(update={"passed_over_list": "passed_over/gone.parquet"}))
