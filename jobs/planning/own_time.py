"""Clock that stops while this thread waits for a core, so that another program's load is not measured as slowness.

Linux counts the wait of each thread; where it does not, the clock is the wall's.
"""

import time
from contextlib import suppress
from pathlib import Path

_SCHEDULER = Path("/proc/thread-self/schedstat")  # ns on a core, ns of waiting for one, number of turns


def waited_s() -> float:
    """Seconds that this thread was ready to run, and other programs had the cores."""
    with suppress(OSError, ValueError, IndexError):
        return int(_SCHEDULER.read_text(encoding="ascii").split()[1]) / 1e9
    return 0.0


def own_time() -> float:
    """Seconds of wall clock, without those of `waited_s`: work, and waits for disk and network."""
    return time.perf_counter() - waited_s()
