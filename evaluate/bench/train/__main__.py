"""Training against its peers: plain DDP, uncached epochs, sentence-transformers' trainer; on a GPU if there is one.

`n` steps of each way, some in each turn.  Each section is a module: `parallel`, `cache`, `reading`, `text`, `gpu`.
"""

import sys
from typing import Any

import torch

from evaluate.bench.command import run_one
from evaluate.bench.shape import document
from evaluate.bench.train.cache import cache_rows
from evaluate.bench.train.gpu import gpu_rows
from evaluate.bench.train.parallel import parallel_rows
from evaluate.bench.train.reading import reading_rows
from evaluate.bench.train.text import text_rows

STEPS, PER_TURN = 24, 4
WHOLE = 8  # all sections need this many steps, since their start takes long
BATCH, PAIRS, FEW = 64, 16, 4
PACKAGES = ("torch", "transformers", "ray", "sentence-transformers", "datasets")


def bench(n: int | None = None) -> dict[str, Any]:
    """The rows of all sections; under `STEPS` batches are small, and under `WHOLE` only the section of the cache runs.

    Raises DataUnavailable without the packaged weights.
    """
    steps = n or STEPS
    per_turn = min(steps, PER_TURN)
    turns, full = max(1, steps // per_turn), steps >= STEPS
    # An uncached step takes ten times as long.
    rows = cache_rows(max(1, turns // 2), max(1, per_turn // 2), BATCH if full else FEW)
    if steps >= WHOLE:
        rows += parallel_rows(turns, per_turn, BATCH if full else FEW)
        rows += reading_rows(turns, max(2, turns), BATCH if full else FEW)
        rows += text_rows(max(1, turns // 2), per_turn, PAIRS if full else FEW)
    if torch.cuda.is_available():
        rows += gpu_rows()
    return document("train", rows, PACKAGES)


if __name__ == "__main__":
    sys.exit(run_one("train", bench))
