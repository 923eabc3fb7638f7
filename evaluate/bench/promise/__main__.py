"""The index's promise in every situation: recall found and .95, .99 and .999 promised.

`python -m evaluate.bench.promise [--json] [--out FILE] [--n ROWS] [--questions Q] [--only transformer|static]`.  A row
is met where the recall found is not below the promise with 95 % certainty: in the mean of the questions, not in each.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from embed.encoder import FloatArray
from evaluate.bench.command import run_one
from evaluate.bench.index.tuning import log_progress
from evaluate.bench.index.vectors import SOURCES
from evaluate.bench.promise.questions import QUESTIONS, Asked, asked
from evaluate.bench.promise.situations import PROMISES, Situation, found, situations
from evaluate.bench.shape import Row, document
from evaluate.bench.timing import one_thread

ROWS = 35_000
ONE_SIDED_95 = 1.645
PACKAGES = ("faiss-cpu", "numba")


def bench(n: int | None = None, questions: int = QUESTIONS, only: str = "transformer") -> dict[str, Any]:
    """n rows of a data set of the index bench, `questions` of each kind."""
    return of(asked(only, n or ROWS, questions))


def of(data: Asked) -> dict[str, Any]:
    """The document of one data set; with all recalls in `situations`."""
    rows, every = [], []
    with one_thread(), TemporaryDirectory(prefix="deglu-promise-") as folder:
        for situation in situations(data, Path(folder)):
            began = time.process_time()
            for kind in situation.kinds:
                for promise in PROMISES:
                    one = found(data, situation, kind, promise)
                    rows.append(_row(situation, kind, promise, one))
                    every.append(_plain(situation, kind, promise, one))
            lowest = {p: min(one["found"] for one in every if one["is"] == _name(situation, p)) for p in PROMISES}
            worst = ", ".join(f"{recall:.4f} for {promise:g}" for promise, recall in lowest.items())
            log_progress(f"{situation.name}: lowest {worst} ({time.process_time() - began:.0f} CPU-s)")
    made = document("promise", rows, PACKAGES)
    return made | {"data": data.name, "of_rows": len(data.rows), "situations": every}


def _row(situation: Situation, kind: str, promise: float, recall: FloatArray) -> Row:
    goal = (promise - ONE_SIDED_95 * _error(recall)) / promise
    measure = f"recall@{situation.k} of {kind}, {situation.name}"
    return Row(measure, "promised", float(recall.mean()), promise, "share of the true best", goal=goal)


def _plain(situation: Situation, kind: str, promise: float, recall: FloatArray) -> dict[str, Any]:
    error = ONE_SIDED_95 * _error(recall)
    return {
        "is": _name(situation, promise),
        "situation": situation.name,
        "kind": kind,
        "k": situation.k,
        "promised": promise,
        "found": float(recall.mean()),
        "low": float(recall.mean() - error),
        "high": float(recall.mean() + error),
        "questions": len(recall),
    }


def _name(situation: Situation, promise: float) -> str:
    return f"{situation.name} @{promise:g}"


def _error(recall: FloatArray) -> float:
    """Standard error of the mean."""
    return float(recall.std() / np.sqrt(max(1, len(recall))))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench with the common options, --questions and --only."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--only", choices=tuple(SOURCES), default="transformer")
    own, rest = parser.parse_known_args(arguments)
    return run_one("promise", partial(bench, questions=own.questions, only=own.only), rest)


if __name__ == "__main__":
    sys.exit(main())
