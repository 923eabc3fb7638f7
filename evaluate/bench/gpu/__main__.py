"""The command `python -m evaluate.bench.gpu [--json] [--out FILE] [--minutes N] [--rehearse]`: all parts, in order.

Each part has a process and a deadline of its own: one that fails, or that runs out of time, is a row with the reason,
and the rows that it had measured before are kept.  `--rehearse` runs all of it on the CPU, with tiny sizes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evaluate.bench.command import as_lines, write_document
from evaluate.bench.gpu.parts import PARTS, Part
from evaluate.bench.shape import Row, document, plain

LEAST_S = 10.0  # with less time left no part is started
PACKAGES = ("torch", "transformers", "onnxruntime", "ray", "faiss-gpu", "faiss-cpu", "pyarrow")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluate.bench.gpu", description="Measure what needs a GPU.")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the JSON document to this file")
    parser.add_argument("--minutes", type=float, default=8.0, metavar="N", help="time for all parts; by default 8")
    parser.add_argument("--rehearse", action="store_true", help="run on the CPU, with tiny sizes")
    parser.add_argument("--parts", nargs="*", choices=[part.name for part in PARTS], help="by default all")
    options = parser.parse_args(arguments)
    chosen = [part for part in PARTS if options.parts is None or part.name in options.parts]
    found = {**document("gpu", [], PACKAGES), "rows": measured(chosen, options.minutes * 60, options.rehearse)}
    write_document(found, as_lines(found), options)
    return 0 if any(row["ours"] for row in found["rows"]) else 1


def measured(parts: Sequence[Part], budget_s: float, rehearse: bool) -> list[dict[str, Any]]:
    """Rows of all parts, as plain values; together they take about `budget_s`."""
    end, rows = time.monotonic() + budget_s, list[dict[str, Any]]()
    for part in parts:
        left_s = end - time.monotonic()
        if left_s < LEAST_S:
            rows.append(_missing(part, f"not started: {budget_s / 60:g} minutes were over; give more with --minutes"))
        else:
            rows += _run(part, min(part.most_s, left_s), rehearse)
    return rows


def _run(part: Part, most_s: float, rehearse: bool) -> list[dict[str, Any]]:
    """Rows of a part in a process of its own, which is killed with its children when its time is over."""
    with TemporaryDirectory(prefix="deglu-gpu-") as folder:
        out, log = Path(folder) / "rows.jsonl", Path(folder) / "log"
        with log.open("wb") as shown:
            process = subprocess.Popen(command(part, out, rehearse), stdout=shown, stderr=shown, start_new_session=True)
            try:
                reason = _reason(process.wait(most_s), log)
            except subprocess.TimeoutExpired:
                reason = f"stopped after {most_s:.0f} s, the time that it had"
            finally:
                _kill(process)
        sys.stderr.write(f"bench gpu: {part.name}: {reason or 'done'}\n")
        rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    return [*rows, _missing(part, reason)] if reason else rows


def command(part: Part, out: Path, rehearse: bool) -> list[str]:
    """The command of a part's process, which writes its rows to `out`."""
    return [sys.executable, "-m", "evaluate.bench.gpu.part", part.name, str(out), *["--rehearse"] * rehearse]


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(code: int, log: Path) -> str | None:
    """The last line that a failed process has printed; None where it succeeded."""
    lines = log.read_text(errors="replace").strip().splitlines() if code else []
    return f"failed (exit code {code}): {lines[-1] if lines else 'it printed nothing'}" if code else None


def _missing(part: Part, reason: str) -> dict[str, Any]:
    return plain(Row(part.what, "none", 0.0, None, "", reason=reason))


if __name__ == "__main__":
    sys.exit(main())
