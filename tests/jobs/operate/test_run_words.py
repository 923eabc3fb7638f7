"""A run told by what it has left, while it lives, when it was cut short, when it has ended."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from embed.amount import Amount
from embed.dataset.runs import Run
from jobs.operate.run_words import run_document, run_summary, run_text

NOW = datetime.now(UTC).replace(microsecond=0)


def run_of(seen_s_ago: float = 5, **changed: Any) -> Run:
    """Begun two hours before it was last seen; of ten hours one was there before, and it has done three."""
    seen = NOW - timedelta(seconds=seen_s_ago)
    values: dict[str, Any] = {
        "id": "one",
        "state": "embedding",
        "started": (seen - timedelta(hours=2)).isoformat(),
        "seen": seen.isoformat(),
        "host": "head-1:42",
        "workers": 4,
        "planned": Amount(units=60, sound_s=36_000),
        "before": Amount(units=6, sound_s=3_600),
        "done": Amount(units=18, sound_s=10_800),
        "last_unit": (seen - timedelta(seconds=20)).isoformat(),
    }
    return Run(**{"device": "cpu", "precision": "float32", **values, **changed})


def test_one_that_lives() -> None:
    told = run_document(run_of(), NOW)
    assert (told["alive"], told["told"], told["percent"]) == (True, "embedding", 40.0)
    assert told["times_real"] == 1.5
    assert told["left_s"] == pytest.approx(4 * 3600, abs=60)
    lines = run_text(told)
    assert lines[0].endswith(" UTC, seen 5 s ago")
    assert lines[1:] == [
        "workers  4 (cpu, float32), driven from head-1:42",
        "done     4.0/10.0 h · 24/60 units · 40 %",
        "pace     4 h 00 min left · 1.5x real time · the last unit 25 s ago",
    ]


def test_one_that_was_cut_short() -> None:
    told = run_document(run_of(seen_s_ago=7200, failures=2, restarts=3), NOW)
    assert (told["alive"], told["told"], told["left_s"]) == (False, "cut short", None)
    lines = run_text(told)
    assert lines[0].startswith("run      embedding when it was cut short: last seen 20")
    assert lines[0].endswith(", 2 h 00 min ago; run the same command to continue")
    assert lines[1:] == [
        "workers  4 (cpu, float32), driven from head-1:42; 3 restarts",
        "done     4.0/10.0 h · 24/60 units · 40 %",
        "pace     1.5x real time",
    ]


def test_one_that_hangs() -> None:
    told = run_document(run_of(slow=("radio/a.mp3",), last_unit=(NOW - timedelta(minutes=14)).isoformat()), NOW)
    assert run_text(told)[-1] == "slow     in progress, nothing finished for 14 min: radio/a.mp3"


@pytest.mark.parametrize("state", ["complete", "stopped", "failed", "interrupted"])
def test_one_that_has_ended(state: str) -> None:
    told = run_document(run_of(seen_s_ago=90_000, state=state, note="too many failed", slow=("a",)), NOW)
    assert (told["alive"], told["told"]) == (False, state)
    lines = run_text(told)
    assert lines[0].startswith(f"run      {state} 20")
    assert "after 2 h 00 min" in lines[0]
    assert lines[-1] == "note     too many failed"
    assert not any(line.startswith("slow") for line in lines)


def test_one_that_has_just_begun() -> None:
    none: dict[str, Any] = {
        "state": "listing",
        "planned": Amount(),
        "before": Amount(),
        "done": Amount(),
        "last_unit": None,
    }
    told = run_document(run_of(**none), NOW)
    assert (told["percent"], told["words"]) == (None, "")
    assert len(run_text(told)) == 2


def test_the_line_of_a_report() -> None:
    assert run_summary(run_of(restarts=1)) == [
        "run      54 units planned, 9 h 00 min of sound; 18 done in 2 h 00 min, 1.5x real time, float32 on cpu,"
        " 1 restart of workers"
    ]
    texts = run_of(planned=Amount(units=2), before=Amount(), done=Amount(units=2))
    assert run_summary(texts) == ["run      2 units planned; 2 done in 2 h 00 min, float32 on cpu"]
    assert run_summary(run_of(done=Amount())) == []
