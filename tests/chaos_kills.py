"""What is killed, at which stage and moment, by seed; and what each request to storage says of the run.

All requests pass through a proxy in the test's own process (tests/fault_proxy.py).  So every start of a unit is seen
(its marker is read, then written), every commit, and the stage that the run is in, whoever is killed meanwhile.
"""

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fault_proxy import Asked, Fault

DRIVER, WORKER, NODE, STORAGE = "driver", "worker", "node", "storage"
VICTIMS = (DRIVER, WORKER, NODE, STORAGE)
LISTING, EMBEDDING, FOLDING, PUBLISHING = "listing", "embedding", "folding", "publishing"
STAGES = {  # where each victim is at work, and may be met
    DRIVER: (LISTING, EMBEDDING, FOLDING, PUBLISHING),
    STORAGE: (LISTING, EMBEDDING, FOLDING, PUBLISHING),
    WORKER: (EMBEDDING, FOLDING),
    NODE: (EMBEDDING, FOLDING),
}
AFTER = {LISTING: 1, EMBEDDING: 60, FOLDING: 20, PUBLISHING: 10}  # requests of the stage, at most

UNIT = re.compile(r"/(attempts|staging)/\d{8}/([0-9a-f]{32})")
FOLDED = re.compile(r"/(data|ledger|failures|tombstones|assets|versions)/")


@dataclass(frozen=True)
class Kill:
    """A SIGKILL, some seconds after the stage has made so many requests."""

    victim: str
    stage: str
    after: int
    pause_s: float
    away_s: float  # until it is started again
    which: int  # of several
    busy: bool  # waits, a little, until every worker has a unit in hand

    def __str__(self) -> str:
        return f"{self.victim} while {self.stage}, {self.pause_s:.2f} s after request {self.after}"


def kills(seed: int, victims: tuple[str, ...] = VICTIMS) -> list[Kill]:
    """One of each victim, in an order in which their stages can be met."""
    dice = random.Random(seed)
    drawn = [_kill(dice, victim) for victim in dice.sample(victims, len(victims))]
    order = list(AFTER)
    return sorted(drawn, key=lambda kill: order.index(kill.stage))


def _kill(dice: random.Random, victim: str) -> Kill:
    stage = dice.choice(STAGES[victim])
    after, pause_s = dice.randint(1, AFTER[stage]), dice.choice([0.0, dice.uniform(0, 0.5)])
    return Kill(
        victim, stage, after, pause_s, away_s=dice.uniform(0.5, 3), which=dice.randrange(100), busy=dice.random() < 0.7
    )


@dataclass
class Witness:
    """Sees all requests about one output, and slows the run down, so that a small archive takes a while."""

    output: str  # its name, unique
    units: int
    starts: Counter[str] = field(default_factory=Counter)
    committed: set[str] = field(default_factory=set)
    _asked: Counter[str] = field(default_factory=Counter)  # requests by stage
    _marks: dict[str, int] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, asked: Asked) -> Fault | None:
        with self._changed:
            stage = self._stage(asked)
            if stage:
                self._asked[stage] += 1
                self._changed.notify_all()
        return Fault.DELAY if _is_slow(asked) else None

    @property
    def again(self) -> int:
        """Units of work that were done more than once, or begun in vain."""
        return sum(self.starts.values()) - len(self.starts)

    @property
    def in_hand(self) -> int:
        """Units that were begun, and whose commit is not yet on its way."""
        return len(self.starts.keys() - self.committed)

    def awaited(self, left: list[Kill], is_over: Callable[[], bool], within_s: float = 180) -> Kill | None:
        """The next kill, taken from the list, when its stage is met; None when the run is over, or none is left."""
        if not left:
            return None
        one = left.pop(0)
        target, deadline = self._asked[one.stage] + one.after, time.monotonic() + within_s
        with self._changed:
            while self._asked[one.stage] < target:
                assert time.monotonic() < deadline, f"waited {within_s:g} s in vain for: {one}"
                if is_over():
                    return None
                self._changed.wait(0.05)
        return one

    def wait_until_busy(self, workers: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.in_hand >= workers, timeout=3)

    def _stage(self, asked: Asked) -> str | None:
        unit = UNIT.search(asked.path)
        if unit and self.output in asked.path:
            return self._of_unit(asked, *unit.groups())
        if "list-type" in asked.path and "archive" in asked.path:
            return LISTING
        deletes = asked.method == "POST" and "delete" in asked.path
        if deletes or (asked.method == "PUT" and self.output in asked.path and FOLDED.search(asked.path)):
            return self._folding()
        return None

    def _of_unit(self, asked: Asked, kind: str, unit: str) -> str | None:
        if kind == "attempts" and asked.method == "GET":
            self._read.add(unit)
        if kind == "attempts" and asked.method == "PUT" and self._is_start(unit, asked.body_bytes):
            self.starts[unit] += 1
        if kind == "staging" and asked.method == "GET":
            return self._folding()
        if kind == "staging" and asked.method == "PUT":
            self.committed.add(unit)
        return EMBEDDING if asked.method == "PUT" else None

    def _is_start(self, unit: str, mark: int) -> bool:
        """A marker is read before it is written; a write that is only tried again says the same and follows no read."""
        is_start = unit in self._read or self._marks.get(unit) != mark
        self._read.discard(unit)
        self._marks[unit] = mark
        return is_start

    def _folding(self) -> str:
        return PUBLISHING if len(self.committed) == self.units else FOLDING


def _is_slow(asked: Asked) -> bool:
    """Reading the archive, where a kill leaves a unit begun, and half of the commits, which it may not stop."""
    if asked.method == "GET":
        return "/archive/" in asked.path and asked.time % 2 == 0
    return asked.method == "PUT" and "/staging/" in asked.path and asked.path[-9] in "02468ace"
