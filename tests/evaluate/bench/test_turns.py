"""Turns between real processes: one works, the others wait."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest

from embed.errors import DegluError
from evaluate.bench.turns import Alive, measured, playing, processes

PER_TURN, ROUNDS = 2, 3


def slow_steps(pause_s: float) -> Iterator[float]:
    loss = 1.0
    while True:
        time.sleep(pause_s)
        loss /= 2
        yield loss


def worker(rank: int, port: int, name: str, pause_s: float) -> None:
    with playing(port, name, PER_TURN, leads=rank == 0) as player:
        if name == "bad":
            raise RuntimeError("no such pause")
        if name == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        player.play(slow_steps(pause_s))


def way(name: str, pause_s: float, num: int, port: int) -> AbstractContextManager[Alive]:
    return processes(worker, num, (port, name, pause_s))


@pytest.mark.slow
def test_each_way_tells_its_steps_and_its_seconds() -> None:
    spent = measured({"quick": partial(way, "quick", 0.01, 1), "slow": partial(way, "slow", 0.1, 1)}, ROUNDS)
    assert list(spent) == ["quick", "slow"]
    assert spent["quick"].losses == tuple(0.5**i for i in range(1, 1 + PER_TURN * (ROUNDS + 1)))
    assert 0.02 < spent["quick"].seconds < spent["slow"].seconds
    assert spent["slow"].seconds > 0.2
    assert spent["slow"].cpu_s < 0.1  # it sleeps
    assert spent["slow"].peak_mb > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bad", "'bad' failed in turn 0: RuntimeError: no such pause"),
        ("killed", "a worker of 'killed' was killed in turn 0"),
    ],
)
def test_a_way_that_fails_is_named(name: str, message: str) -> None:
    with pytest.raises(DegluError, match=message):
        measured({name: partial(way, name, 0.01, 1)}, ROUNDS)
