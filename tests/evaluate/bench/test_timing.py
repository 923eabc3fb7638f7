"""Rounds of timing: every way in every round, in turn, and the threads as they were."""

import time

import torch

from evaluate.bench.timing import interleaved, one_thread
from index.faiss_library import library


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_ways_are_taken_in_turn_forwards_and_backwards() -> None:
    taken: list[str] = []
    spent = interleaved({"a": lambda: taken.append("a"), "b": lambda: taken.append("b")}, rounds=3)
    assert "".join(taken) == "abbaab"
    assert all(seconds > 0 for seconds in spent.values())


def test_it_counts_work_and_not_waiting() -> None:
    spent = interleaved({"work": lambda: burn(0.05), "wait": lambda: time.sleep(0.05)}, rounds=3)
    assert 0.05 <= spent["work"] < 0.5
    assert spent["wait"] < 0.05


def test_one_thread_inside_and_as_many_as_before_outside() -> None:
    before = torch.get_num_threads(), library().omp_get_max_threads()
    with one_thread():
        assert (torch.get_num_threads(), library().omp_get_max_threads()) == (1, 1)
    assert (torch.get_num_threads(), library().omp_get_max_threads()) == before
