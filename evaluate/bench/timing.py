"""Speeds on a shared machine: CPU seconds of this process, one thread, ways taken in turn, the middle of the rounds."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median

import torch

from index.faiss_library import library

ROUNDS = 5


@contextmanager
def one_thread() -> Iterator[None]:
    """torch and faiss compute with one thread inside, and with as many as before afterwards."""
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
    """Median CPU seconds of each way over `rounds`, each round taking all of them, forwards and backwards in turn.

    CPU seconds of the whole process, whatever the number of its threads: neighbours on the machine cost least then.
    Ways that work in other processes too are measured by another clock.
    """
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            began = clock()
            ways[name]()
            spent[name].append(clock() - began)
    # The clock ticks: what took no measurable time took at most a microsecond.
    return {name: max(median(seconds), 1e-6) for name, seconds in spent.items()}
