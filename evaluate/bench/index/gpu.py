"""The index on a GPU, by the clock: against its own ladder on the CPU, and against one product in float16 on the card.

`n` made-up vectors, as in `evaluate.bench.index.made_up`.  Without a GPU only the ladder on the CPU is measured.
"""

import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from embed.encoder import FloatArray
from evaluate.bench.command import run_one
from evaluate.bench.index.made_up import SEED, K, exact, index_of, made_up, nearest, numbers_of, shared
from evaluate.bench.shape import Row, document
from index.ask.searcher import Index
from index.contracts import IntArray
from index.faiss_library import gpu_available
from index.parts.local import part_folder
from index.rungs.gpu import GpuRows, placed
from index.rungs.segment import Segment

ROWS, QUERIES, SINGLY, ROUNDS = 100_000, 1_000, 50, 5
BLOCK = 256  # questions whose scores are on the card at once
NO_GPU = "no GPU here that faiss and torch can use and that has enough memory; install deglu[gpu] on a CUDA machine"

Way = Callable[[FloatArray], IntArray]  # questions [q, D] -> rows [q, K]


def bench(n: int | None = None) -> dict[str, Any]:
    """n rows; never more questions than rows."""
    return document("index_gpu", card_rows(n or ROWS), ("faiss-gpu", "faiss-cpu", "torch"))


def card_rows(count: int) -> list[Row]:
    """Rows for an index of `count` made-up vectors."""
    rng = np.random.default_rng(SEED)
    rows, queries = made_up(count, rng), made_up(min(QUERIES, count), rng)
    with TemporaryDirectory() as folder:
        return gpu_rows(index_of(rows, folder), rows, queries)


def gpu_rows(index: Index, rows: FloatArray, queries: FloatArray) -> list[Row]:
    """Rows for an index over `rows` [n, D]; every number is of one process that may use all cores."""
    numbers = numbers_of(index)
    true = exact(rows).search(queries, K)[1]
    batch, singly = [queries], [queries[i : i + 1] for i in range(min(SINGLY, len(queries)))]
    asked = {f"batch of {len(queries)}": batch, "one at a time": singly}
    ways: dict[str, Way] = {"the ladder on the CPU": lambda some: numbers[nearest(index, some, K)]}
    card = card_of(index) if torch.cuda.is_available() and gpu_available() else None
    if card is not None:
        own = {"the rows on the GPU": lambda some: numbers[card.search(some, K).ids]}
        ways = own | ways | {"torch, float16 product and topk": torch_way(rows)}
    named = {f"{name}, recall@{K} {shared(way(queries), true):.3f}": way for name, way in ways.items()}
    return [row for what, some in asked.items() for row in _against(f"qps {what}, {len(rows)} rows", named, some)]


def card_of(index: Index) -> GpuRows | None:
    """The rows of an index of one segment on the card; None where they do not fit."""
    (entry,) = index.manifest.segments
    return placed(Segment.load(part_folder(index.url, entry.part), entry), "gpu")


def torch_way(rows: FloatArray, device: str = "cuda", dtype: torch.dtype = torch.float16) -> Way:
    """A search written by hand: all scores as one product on the device, and the best of them."""
    there = torch.from_numpy(rows).to(device, dtype)

    def best(some: FloatArray) -> IntArray:
        blocks = torch.split(torch.from_numpy(some).to(device, dtype), BLOCK)
        return torch.cat([(block @ there.T).topk(K).indices for block in blocks]).cpu().numpy()

    return best


def _against(what: str, ways: dict[str, Way], asked: Sequence[FloatArray]) -> list[Row]:
    """Rows of the first way against all others, by the clock."""
    rates = {name: sum(map(len, asked)) / _seconds(way, asked) for name, way in ways.items()}
    (ours, rate), *others = rates.items()
    if not others:
        return [Row(f"{what}: {ours}", "the rows on the GPU", rate, None, "queries/s", reason=NO_GPU)]
    return [Row(f"{what}: {ours}", name, rate, other, "queries/s") for name, other in others]


def _seconds(way: Way, asked: Sequence[FloatArray]) -> float:
    """Median seconds over rounds; the results are on the CPU, so the device has finished."""
    spent = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        for some in asked:
            way(some)
        spent.append(time.perf_counter() - began)
    return median(spent[1:])


if __name__ == "__main__":
    sys.exit(run_one("index_gpu", bench))
