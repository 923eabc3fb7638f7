"""The GPU bench's command: one part's failure, or the end of its time, costs no other part its rows."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from evaluate.bench.gpu import __main__ as bench
from evaluate.bench.gpu.parts import PARTS, Part
from evaluate.bench.gpu.sizes import Sizes
from evaluate.bench.shape import Row, plain

SCRIPTS = {
    "good": "",
    "broken": "import sys; sys.exit('the card fell out')",
    "endless": "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])",
}


def no_rows(_: Sizes) -> Iterator[Row]:
    yield from ()


def script(part: Part, out: Path, rehearse: bool) -> list[str]:
    """A process that writes one row, and then ends as its name says."""
    line = json.dumps(plain(Row(f"{part.name} speed", "none", 7.0, 1.0, "rows/s")))
    return [sys.executable, "-c", f"open({str(out)!r}, 'w').write({line + chr(10)!r}); {SCRIPTS[part.name]}"]


@pytest.mark.slow
def test_what_was_measured_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "command", script)
    monkeypatch.setattr(bench, "LEAST_S", 1.0)
    parts = [Part(name, f"{name} part", 5.0, no_rows) for name in ("endless", "broken", "good")]
    rows = bench.measured(parts, 60.0, rehearse=True)
    assert [(row["measure"], row.get("reason")) for row in rows] == [
        ("endless speed", None),
        ("endless part", "stopped after 5 s, the time that it had"),
        ("broken speed", None),
        ("broken part", "failed (exit code 1): the card fell out"),
        ("good speed", None),
    ]
    assert "bench gpu: good: done" in capsys.readouterr().err


def test_without_time_a_part_is_a_row_with_the_reason() -> None:
    (row,) = bench.measured([Part("good", "good part", 60.0, no_rows)], 3.0, rehearse=True)
    assert (row["theirs"], row["reason"]) == (None, "not started: 0.05 minutes were over; give more with --minutes")


@pytest.mark.campaign
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_each_part_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--json", "--minutes", "2", "--parts", "train"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["reason"] == "failed (exit code 1): no CUDA device: torch finds none on this machine"


@pytest.mark.campaign
def test_the_rehearsal_runs_every_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--json", "--rehearse", "--minutes", "15", "--out", str(tmp_path / "gpu.json")]) == 0
    shown = capsys.readouterr()
    found: dict[str, Any] = json.loads(shown.out)
    assert [f"bench gpu: {part.name}: done" for part in PARTS] == [
        line for line in shown.err.splitlines() if line.startswith("bench gpu: ")
    ]
    assert found == json.loads((tmp_path / "gpu.json").read_text())
    assert {row["unit"] for row in found["rows"]} >= {"tokens/s", "audio-s/s", "Tflop/s", "steps/s", "queries/s"}
