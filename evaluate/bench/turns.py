"""Turns of several ways to do the same work, each in processes of its own, on one machine.

All processes run at the same time, but one way works while the others wait, so that other load on the machine slows all
ways alike; each way has its own memory, so that its peak can be measured.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.multiprocessing.spawn import spawn

from embed.errors import DegluError
from evaluate.bench.memory import peak_mb

HOST, PATIENCE = "127.0.0.1", timedelta(minutes=20)
GO, END = b"go", b"end"
POLL_S = 0.02  # between two checks whether a turn is over; workers time themselves

Alive = Callable[[], bool]
Start = Callable[[int], AbstractContextManager[Alive]]  # takes the port of the store that gives the turns


@dataclass(frozen=True)
class Spent:
    """The cost of a way, as its first worker measured it."""

    seconds: float  # of the median turn, by the clock
    cpu_s: float  # of the median turn, of one process
    losses: tuple[float, ...]  # of all turns, the first included
    peak_mb: float


def measured(ways: Mapping[str, Start], rounds: int) -> dict[str, Spent]:
    """Start all ways, give each a turn to warm up and then one in each round; every other round is in reverse order."""
    store = TCPStore(HOST, 0, is_master=True, wait_for_workers=False, timeout=PATIENCE)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    with ExitStack() as running:
        alive = {name: running.enter_context(start(store.port)) for name, start in ways.items()}
        try:
            for number in range(rounds + 1):
                for name in list(ways)[:: -1 if number % 2 else 1]:
                    found[name].append(_turn(store, name, number, alive[name]))
        finally:
            for name in ways:
                store.set(f"{name}/{len(found[name])}", END.decode())
    return {name: _spent(turns) for name, turns in found.items()}


class Player:
    """The worker's side of a way: waits for its turn, counts steps, reports their cost."""

    def __init__(self, port: int, name: str, per_turn: int, leads: bool = True) -> None:
        self._store = TCPStore(HOST, port, is_master=False, timeout=PATIENCE)
        self._name, self._per_turn, self._leads = name, per_turn, leads
        self._turn = 0

    def wait(self) -> bool:
        """Wait for the next turn; False where there are no more."""
        if bytes(self._store.get(f"{self._name}/{self._turn}")) == END:
            return False
        self._losses: list[float] = []
        self._began = time.perf_counter(), time.process_time()
        return True

    def step(self, loss: float) -> bool:
        """Count a finished step; at the end of a turn wait for the next.  False where there are no more."""
        self._losses.append(loss)
        if len(self._losses) < self._per_turn:
            return True
        clock, cpu = self._began
        spent = {"seconds": time.perf_counter() - clock, "cpu_s": time.process_time() - cpu}
        if self._leads:
            self.report({**spent, "losses": self._losses, "peak_mb": peak_mb()})
        self._turn += 1
        return self.wait()

    def play(self, steps: Iterator[float]) -> None:
        """Run steps, which give their losses, as long as there are turns."""
        if self.wait():
            for loss in steps:
                if not self.step(loss):
                    return

    def report(self, result: Mapping[str, Any]) -> None:
        """Report the end of this turn to the process that gives the turns."""
        self._store.set(f"{self._name}/{self._turn}/done", json.dumps(result))


@contextmanager
def playing(port: int, name: str, per_turn: int, leads: bool = True) -> Iterator[Player]:
    """A player whose failure is reported to the process that gives the turns."""
    player = Player(port, name, per_turn, leads)
    try:
        yield player
    except BaseException as error:
        player.report({"error": f"{type(error).__name__}: {error}"})
        raise


@contextmanager
def processes(task: Callable[..., None], num: int, arguments: Sequence[Any]) -> Iterator[Alive]:
    """`num` processes that run `task(rank, *arguments)`; the context ends when they have ended."""
    running = spawn(task, tuple(arguments), nprocs=num, join=False)  # type: ignore[no-untyped-call]
    try:
        yield lambda: all(process.is_alive() for process in running.processes)
    except BaseException:
        for process in running.processes:
            process.terminate()
        raise
    finally:
        for process in running.processes:
            process.join()


def _turn(store: TCPStore, name: str, number: int, alive: Alive) -> dict[str, Any]:
    store.set(f"{name}/{number}", GO.decode())
    done = f"{name}/{number}/done"
    while not store.check([done]):
        # Its last report may have arrived between the two checks.
        if not alive() and not store.check([done]):
            raise DegluError(f"a worker of {name!r} was killed in turn {number}: is there enough memory?")
        time.sleep(POLL_S)
    found: dict[str, Any] = json.loads(bytes(store.get(done)))
    if "error" in found:
        raise DegluError(f"{name!r} failed in turn {number}: {found['error']}")
    return found


def _spent(turns: Sequence[Mapping[str, Any]]) -> Spent:
    """Medians over all turns but the first, which warms up."""
    timed = turns[1:]
    losses = tuple(loss for turn in turns for loss in turn["losses"])
    return Spent(
        median(turn["seconds"] for turn in timed), median(turn["cpu_s"] for turn in timed), losses, turns[-1]["peak_mb"]
    )
