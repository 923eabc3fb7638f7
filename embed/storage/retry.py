"""Retry policy for storage requests: few at once, fewer when the server is overloaded, and retries within a time limit.

- All threads of a process share the slots.  A "slow down" halves them and pauses every thread for a moment; each round
  of successes adds one (additive increase, multiplicative decrease, as in TCP).
- Transient failures (a busy, broken or absent server, half a body) are retried with full jitter until the patience,
  counted from the first failure, is over: the default is enough to restart a storage server.
- The first long wait logs one warning with its reason; permanent failures are raised at once.
- A server that accepts a request and does not answer is reported too, long before the request's own time limit.

The libraries' own retries are off: this is the only policy.
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
    """Numbers of the policy: how often and how long requests are retried, and how many run at once."""

    patience_s: float = 180.0  # from the first failure on, unless DEGLU_STORAGE_PATIENCE_S is set
    first_pause_s: float = 0.1  # between two attempts; the bound doubles
    longest_pause_s: float = 10.0
    warn_after_s: float = 2.0  # of waiting
    silent_s: float = 15.0  # without an answer to one request, until that is reported
    requests_at_once: int = 16  # of a process
    races: int = 5  # lost races for the next number of a log before a writer gives up: see `embed.storage.numbered_log`
    looks: int = 4  # readings of a log whose entries may be removed meanwhile


ATTEMPTS = Attempts()

Item = TypeVar("Item")
Result = TypeVar("Result")
log = logging.getLogger(__name__)
_given_up: ContextVar[threading.Event] = ContextVar("given_up")


@dataclass(frozen=True)
class TransientFailure:
    """A failure that a retry may cure: `reason` is for the user, `slow` is True where the server is overloaded."""

    reason: str
    slow: bool = False


@dataclass(frozen=True)
class Patience:
    """Time limit and pauses of retries; the clock is a parameter so that tests need not wait."""

    total_s: float = ATTEMPTS.patience_s
    first_pause_s: float = ATTEMPTS.first_pause_s
    longest_pause_s: float = ATTEMPTS.longest_pause_s
    warn_after_s: float = ATTEMPTS.warn_after_s
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    @staticmethod
    def of_environment() -> "Patience":
        """The default, or the seconds in DEGLU_STORAGE_PATIENCE_S.  Raises SpecError."""
        text = os.environ.get(PATIENCE, "")
        try:
            total_s = float(text or Patience.total_s)
        except ValueError:
            total_s = -1.0
        if not 0 <= total_s < float("inf"):
            raise SpecError(f"{PATIENCE}={text!r}: give a number of seconds, 0 for no retry")
        return Patience(total_s=total_s)

    def pause_s(self, attempt: int) -> float:
        """Full jitter: between zero and a bound that doubles, so that many clients do not retry together."""
        return min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(attempt, 30)) * self.chance()


class Requests:
    """The requests of one process to one storage."""

    def __init__(
        self,
        transient_failure: Callable[[Exception], TransientFailure | None],
        patience: Patience | None = None,
        at_once: int = ATTEMPTS.requests_at_once,
    ) -> None:
        """`transient_failure` gives None for permanent failures."""
        self._transient_failure = transient_failure
        self._patience = patience or Patience()
        self.slots = _Slots(at_once, self._patience)
        self._warned = False
        self._unanswered = _Unanswered(self._report_silence)

    def do(self, what: str, act: Callable[[], Result]) -> Result:
        """The result of `act`, a request that is safe to repeat; raises its last error when the patience is over.

        `what` (a url) is for the log.  `act` must not use a slot itself.
        """
        failed_at: float | None = None
        for attempt in count():
            try:
                with self.slots.one(), self._unanswered.one(what):
                    result = act()
            except Exception as error:
                failure = self._transient_failure(error)
                if failure is None:
                    raise
                now = self._patience.clock()
                failed_at = now if failed_at is None else failed_at
                left_s = self._patience.total_s - (now - failed_at)
                if left_s <= 0 or _is_abandoned():
                    raise
                self._wait(what, failure, min(self._patience.pause_s(attempt), left_s), left_s)
            else:
                self._succeed(what)
                return result
        raise AssertionError("the loop returns or raises")

    def _wait(self, what: str, failure: TransientFailure, pause_s: float, left_s: float) -> None:
        if failure.slow:
            self.slots.slow_down(pause_s)
        if not self._warned and self._patience.total_s - left_s + pause_s >= self._patience.warn_after_s:
            self._warned = True  # once for all threads
            message = "waiting for storage: %s: %s; trying again for at most %.0f s (set %s to change this)"
            log.warning(message, what, failure.reason, left_s, PATIENCE)
        self._patience.sleep(pause_s)

    def _report_silence(self, what: str, silent_s: float) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "waiting for storage: %s: no answer for %.0f s; see that the address is right and its server well",
                what,
                silent_s,
            )

    def _succeed(self, what: str) -> None:
        self.slots.speed_up()
        if self._warned:
            self._warned = False
            log.warning("storage answers again: %s", what)


@contextmanager
def worker_threads(at_once: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that stop waiting for storage, and start nothing new, when the block ends with an error."""
    given_up = threading.Event()
    with ThreadPoolExecutor(at_once, initializer=_given_up.set, initargs=(given_up,)) as pool:
        try:
            yield pool
        except BaseException:
            given_up.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def each(function: Callable[[Item], Result], items: Iterable[Item], at_once: int = 8) -> list[Result]:
    """The results in the order of the items, by threads; the first failure is raised and the rest is cancelled."""
    with worker_threads(at_once) as pool:
        return [one.result() for one in [pool.submit(function, item) for item in items]]


def _is_abandoned() -> bool:
    """Whether the result of this thread is no longer needed."""
    given_up = _given_up.get(None)
    return given_up is not None and given_up.is_set()


class _Unanswered:
    """The requests that run now; while there are some, a thread reports one that gets no answer for long."""

    def __init__(self, report: Callable[[str, float], None], silent_s: float = ATTEMPTS.silent_s) -> None:
        self._report, self._silent_s = report, silent_s
        self._running: dict[int, tuple[float, str]] = {}  # by thread
        self._starting, self._watched = threading.Lock(), False

    @contextmanager
    def one(self, what: str) -> Iterator[None]:
        me = threading.get_ident()
        self._running[me] = time.monotonic(), what
        self._watch()
        try:
            yield
        finally:
            del self._running[me]

    def _watch(self) -> None:
        with self._starting:
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._look, daemon=True, name="unanswered requests").start()

    def _look(self) -> None:
        while True:
            time.sleep(self._silent_s / 3)
            with self._starting:
                if not self._running:
                    self._watched = False
                    return
                began, what = min(list(self._running.values()))
            if (silent_s := time.monotonic() - began) >= self._silent_s:
                self._report(what, silent_s)


class _Slots:
    """Limit of the requests that run at once: it falls and rises again."""

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
        """Waits for the end of the pause and for a free slot."""
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
        """Halve the limit, and start no request for `quiet_s`.  Several calls in this time halve it once."""
        with self._changed:
            now = self._patience.clock()
            if now >= self._quiet_until:
                self._limit = max(1.0, self._limit / 2)
            self._quiet_until = max(self._quiet_until, now + quiet_s)

    def speed_up(self) -> None:
        """One slot more after as many successes as there are slots."""
        with self._changed:
            before = self.limit
            self._limit = min(float(self._most), self._limit + 1 / self._limit)
            if self.limit > before:
                self._changed.notify()
