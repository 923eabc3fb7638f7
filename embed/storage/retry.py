"""Retry policy for storage requests: few at once, fewer when the server asks for that, and again with patience.

- All threads of a process share the slots.  A "slow down" halves them and quiets every thread for a moment; each round
  of successes wins one back (additive increase, multiplicative decrease, as TCP does it).
- What may pass (a busy, broken or absent server, half a body) is tried again with full jitter until the patience,
  counted from the first failure, is spent: the default sits out a storage server that is killed and started again.
- The first long wait is one warning that says what is waited for; what cannot pass travels at once.

The libraries' own retries are off: this is the one place of policy.
"""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from embed.errors import SpecError

PATIENCE = "DEGLU_STORAGE_PATIENCE_S"


@dataclass(frozen=True)
class Attempts:
    """How often, and for how long, storage is asked again, and how much at once: all the numbers of the policy."""

    patience_s: float = 180.0  # from the first failure on, unless DEGLU_STORAGE_PATIENCE_S says
    first_pause_s: float = 0.1  # between two attempts; the bound doubles
    longest_pause_s: float = 10.0
    warn_after_s: float = 2.0  # of waiting
    requests_at_once: int = 16  # of a process
    races: int = 5  # for the next number of a log, until a writer gives up: see `embed.storage.numbered_log`
    looks: int = 4  # at a log whose entries may be removed while it is read


ATTEMPTS = Attempts()

Item = TypeVar("Item")
Result = TypeVar("Result")
log = logging.getLogger(__name__)
_given_up: ContextVar[threading.Event] = ContextVar("given_up")


@dataclass(frozen=True)
class Trouble:
    """A failure that may pass: `reason` is reported to the user, `slow` that the server has too much to do."""

    reason: str
    slow: bool = False


@dataclass(frozen=True)
class Patience:
    """How long and how often to try; the clock is handed in so that tests need not wait."""

    total_s: float = ATTEMPTS.patience_s
    first_pause_s: float = ATTEMPTS.first_pause_s
    longest_pause_s: float = ATTEMPTS.longest_pause_s
    warn_after_s: float = ATTEMPTS.warn_after_s
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    @staticmethod
    def of_environment() -> "Patience":
        """The default, or as many seconds as DEGLU_STORAGE_PATIENCE_S says.  Raises SpecError."""
        text = os.environ.get(PATIENCE, "")
        try:
            total_s = float(text or Patience.total_s)
        except ValueError:
            total_s = -1.0
        if not 0 <= total_s < float("inf"):
            raise SpecError(f"{PATIENCE}={text!r}: give a number of seconds, 0 for no second try")
        return Patience(total_s=total_s)

    def pause_s(self, attempt: int) -> float:
        """Full jitter: anything between nothing and a bound that doubles, so that a crowd does not come back as one."""
        return min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(attempt, 30)) * self.chance()


class Requests:
    """The requests of one process to one storage."""

    def __init__(
        self,
        trouble: Callable[[Exception], Trouble | None],
        patience: Patience | None = None,
        at_once: int = ATTEMPTS.requests_at_once,
    ) -> None:
        """`trouble` gives None for what may not pass."""
        self._trouble = trouble
        self._patience = patience or Patience()
        self.slots = _Slots(at_once, self._patience)
        self._warned = False

    def do(self, what: str, act: Callable[[], Result]) -> Result:
        """The result of `act`, a request that is safe to repeat; what it raised last once patience is spent.

        `what` (a url) is for the log.  `act` asks for no slot itself.
        """
        failed_at: float | None = None
        for attempt in count():
            try:
                with self.slots.one():
                    result = act()
            except Exception as error:
                trouble = self._trouble(error)
                if trouble is None:
                    raise
                now = self._patience.clock()
                failed_at = now if failed_at is None else failed_at
                left_s = self._patience.total_s - (now - failed_at)
                if left_s <= 0 or _left_alone():
                    raise
                self._wait(what, trouble, min(self._patience.pause_s(attempt), left_s), left_s)
            else:
                self._went_well(what)
                return result
        raise AssertionError("the loop returns or raises")

    def _wait(self, what: str, trouble: Trouble, pause_s: float, left_s: float) -> None:
        if trouble.slow:
            self.slots.slow_down(pause_s)
        if not self._warned and self._patience.total_s - left_s + pause_s >= self._patience.warn_after_s:
            self._warned = True  # by this thread for all
            message = "waiting for storage: %s: %s; trying again for %.0f s more (%s changes that)"
            log.warning(message, what, trouble.reason, left_s, PATIENCE)
        self._patience.sleep(pause_s)

    def _went_well(self, what: str) -> None:
        self.slots.speed_up()
        if self._warned:
            self._warned = False
            log.warning("storage answers again: %s", what)


@contextmanager
def crew(at_once: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that give up waiting for storage, and begin nothing new, when the block is left by an error."""
    given_up = threading.Event()
    with ThreadPoolExecutor(at_once, initializer=_given_up.set, initargs=(given_up,)) as pool:
        try:
            yield pool
        except BaseException:
            given_up.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def each(function: Callable[[Item], Result], items: Iterable[Item], at_once: int = 8) -> list[Result]:
    """The results in the order of the items, some at a time in threads; the first failure travels, the rest is left."""
    with crew(at_once) as pool:
        return [one.result() for one in [pool.submit(function, item) for item in items]]


def _left_alone() -> bool:
    """Whether nobody waits any more for what this thread does."""
    given_up = _given_up.get(None)
    return given_up is not None and given_up.is_set()


class _Slots:
    """How many requests may be under way: a limit that gives way and comes back."""

    def __init__(self, most: int, patience: Patience) -> None:
        self._most, self._limit, self._taken = most, float(most), 0
        self._patience = patience
        self._quiet_until = patience.clock()
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        return int(self._limit)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Waits for the quiet to end and for a free place."""
        quiet_s = self._quiet_until - self._patience.clock()
        if quiet_s > 0:
            self._patience.sleep(quiet_s)
        with self._changed:
            while self._taken >= self.limit:
                self._changed.wait()
            self._taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._changed.notify()

    def slow_down(self, quiet_s: float) -> None:
        """Half the requests, and none that is new for a moment.  Those asked for in the same moment halve it once."""
        with self._changed:
            now = self._patience.clock()
            if now >= self._quiet_until:
                self._limit = max(1.0, self._limit / 2)
            self._quiet_until = max(self._quiet_until, now + quiet_s)

    def speed_up(self) -> None:
        """One more after as many successes as there are places."""
        with self._changed:
            before = self.limit
            self._limit = min(float(self._most), self._limit + 1 / self._limit)
            if self.limit > before:
                self._changed.notify()
