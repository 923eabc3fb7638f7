"""Timing on a shared machine: CPU seconds of this process, one thread, ways in turn, the median of the rounds."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median

import torch

from index.faiss_library import library

ROUNDS = 5


@contextmanager
def one_thread() -> Iterator[None]:
    """torch and faiss compute with one thread inside the context, and with as many as before after it."""
    faiss = library()
    before = torch.get_num_threads(), faiss.omp_get_max_threads()
    try:
        torch.set_num_threads(1)
        faiss.omp_set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before[0])
        faiss.omp_set_num_threads(before[1])


def interleaved(
    ways: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Median CPU seconds of each way over `rounds`; each round runs all ways, every other round in reverse order.

    CPU seconds of the whole process, for any number of threads: other load on the machine changes them least.  Ways
    that also work in other processes need another clock.
    """
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            began = clock()
            ways[name]()
            spent[name].append(clock() - began)
    # The clock has steps: a time too short to measure counts as one microsecond.
    return {name: max(median(seconds), 1e-6) for name, seconds in spent.items()}
