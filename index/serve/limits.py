"""Limits of a caller's requests in time: a token bucket for each caller."""

import time
from collections import OrderedDict
from collections.abc import Callable

CALLERS = 10_000  # remembered; the one that has not asked for longest is forgotten first


class Rates:
    """Requests of each caller: so many a second on average, and a burst after a pause.  Used by one thread."""

    def __init__(self, requests_per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = requests_per_s, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, caller: str) -> float:
        """0 where this request is within the limit, and counted; otherwise the seconds until one will be."""
        if not self._rate:
            return 0.0
        now = self._clock()
        left, then = self._left.pop(caller, (float(self._burst), now))
        left = min(self._burst, left + (now - then) * self._rate)
        allowed = left >= 1
        self._left[caller] = (left - 1 if allowed else left), now
        while len(self._left) > CALLERS:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._rate
