"""Measures of the index bench, the same for all contenders: recall against exact search, and the cost of a setting."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from embed.encoder import FloatArray
from evaluate.bench.index.contender import Contender, Setting
from evaluate.bench.timing import ROUNDS, interleaved
from index.contracts import IntArray
from index.faiss_library import library

K = 10
TIE = 1e-5  # rows whose cosine is this near to the k-th are also right
SINGLY = 200  # queries asked one at a time
DRAWS = 1_000
SEED = 7


@dataclass(frozen=True)
class Truth:
    """Queries [q, D] over rows [n, D], and the k-th best cosine of each [q]."""

    rows: FloatArray
    queries: FloatArray
    k: int
    least: FloatArray

    @classmethod
    def of(cls, rows: FloatArray, queries: FloatArray, k: int = K) -> "Truth":
        """The truth by exact search; k is at most the number of rows."""
        flat, k = library().IndexFlatIP(rows.shape[1]), min(k, len(rows))
        flat.add(rows)
        return cls(rows, queries, k, flat.search(queries, k)[0][:, -1])

    def recall(self, ids: IntArray) -> NDArray[np.float64]:
        """Share [q] of the k answers [q, k] that are right: at least as near as the k-th; ties count as right."""
        found = np.einsum("qkd,qd->qk", self.rows[np.maximum(ids, 0)], self.queries)
        right = (found >= self.least[:, None] - TIE) & (ids >= 0)
        share: NDArray[np.float64] = right.mean(axis=1)
        return share


@dataclass(frozen=True)
class Point:
    """A contender at one setting, on the queries reported: recall@10 and queries per CPU-second of one thread."""

    contender: str
    setting: str
    recall: float
    recall_passages: float
    recall_spans: float
    batch: float
    single: float


def points(asked: Sequence[tuple[Contender, Setting]], truth: Truth, rounds: int = ROUNDS) -> list[Point]:
    """One point for each setting, in order: medians of rounds that run all in turn, in one batch and one at a time."""
    ways = {str(place): one for place, one in enumerate(asked)}
    shares = {
        place: truth.recall(one.search(truth.queries, truth.k, setting)) for place, (one, setting) in ways.items()
    }
    few = truth.queries[:SINGLY]
    batch = interleaved({place: _batch(*way, truth.queries, truth.k) for place, way in ways.items()}, rounds)
    single = interleaved({place: _single(*way, few, truth.k) for place, way in ways.items()}, rounds)
    return [
        Point(
            one.name,
            str(setting),
            float(shares[place].mean()),
            float(shares[place][::2].mean()),
            float(shares[place][1::2].mean()),
            len(truth.queries) / batch[place],
            len(few) / single[place],
        )
        for place, (one, setting) in ways.items()
    ]


def walls(
    asked: Mapping[str, tuple[Contender, Setting]], truth: Truth, threads: int, rounds: int = ROUNDS
) -> dict[str, float]:
    """Queries per second by the wall clock, in batches with `threads` threads; one thread afterwards."""
    spent: dict[str, list[float]] = {name: [] for name in asked}
    for one, _ in asked.values():
        one.use_threads(threads)
    for number in range(rounds):
        for name in list(asked)[:: -1 if number % 2 else 1]:
            began = time.perf_counter()
            _batch(*asked[name], truth.queries, truth.k)()
            spent[name].append(time.perf_counter() - began)
    for one, _ in asked.values():
        one.use_threads(1)
    return {name: len(truth.queries) / median(seconds) for name, seconds in spent.items()}


def cpu_seconds(act: Callable[[], object]) -> float:
    """CPU seconds of this process, with all its threads, for one call of `act`."""
    began = time.process_time()
    act()
    return time.process_time() - began


def kept(recalls: NDArray[np.float64], promise: float, draws: int = DRAWS) -> float:
    """Share of query sets, drawn again with replacement, whose mean of these recalls [q] keeps the promise."""
    drawn = np.random.default_rng(SEED).integers(0, len(recalls), (draws, len(recalls)))
    return float((recalls[drawn].mean(axis=1) >= promise).mean())


def _batch(one: Contender, setting: Setting, queries: FloatArray, k: int) -> Callable[[], object]:
    return lambda: one.search(queries, k, setting)


def _single(one: Contender, setting: Setting, queries: FloatArray, k: int) -> Callable[[], object]:
    return lambda: [one.search(queries[i : i + 1], k, setting) for i in range(len(queries))]
