"""Auditor of an opened index: answers a sample of its questions again, exactly, when nobody else is served.

The sample is drawn by a seeded generator that does not look at the questions.  A thread reads all rows, a millisecond
at a time.  Searches go first: it rests REST times as long as each read took, which is longer on a busy machine, and
waits while a search is running, but never longer than PATIENCE_S: a busy service is audited too, slowly.  At most QUEUE
questions wait; what is more is dropped and counted.

The thread has no lower priority of the operating system: while it holds Python's lock, other programs would go before
it, and searches would wait for it.  With the lowest one, on two cores with twelve other programs, the slowest of 8,000
searches took 0.3 to 0.8 s, without an audit 0.08 s.
"""

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from embed.encoder import FloatArray
from embed.errors import DegluError
from index.audit.counts import Counts, Found, Kind, found, parsed, range_of
from index.audit.exact import share_found
from index.audit.files import CountsFile
from index.contracts import Hits, SearchRequest
from index.kept import Kept
from index.parts.artifact import Manifest

logger = logging.getLogger(__name__)

QUEUE = 64
REST = 4.0  # a fifth of one core at most
PATIENCE_S = 0.1  # a read of a millisecond in each: 1 % of one core is taken from searches that never pause
WRITE_S = 10.0  # between two writes of the counts
CURE = (
    "build it again, measured on a log of your questions: "
    "`deglu index SPEC --new-version --set questions=FILE`; until then ask for a higher recall"
)

Pause = Callable[[], None]
KeptRows = Mapping[str, Sequence[Kept | None]]  # by modality, for each segment the rows that may be hits
Exactly = Callable[[FloatArray, SearchRequest, KeptRows, Pause], Hits]  # for one query [1, D]


@dataclass(frozen=True)
class Searched:
    """One search, answered."""

    queries: FloatArray  # [q, D]
    request: SearchRequest
    promised: float
    kept: KeptRows
    hits: Hits
    exact: bool  # every row that may be a hit was read

    def one(self, place: int) -> "Searched":
        """The same for one of the queries, to be searched exactly."""
        here = slice(place, place + 1)
        exclude = None if self.request.exclude is None else self.request.exclude[here]
        request = replace(self.request, recall=1.0, budget_ms=None, exclude=exclude, explain=False)
        hits = Hits(self.hits.ids[here].copy(), self.hits.scores[here].copy())
        return replace(self, queries=self.queries[here].copy(), request=request, hits=hits)

    @property
    def kind(self) -> Kind:
        return Kind(self.promised, range_of(self.request.k), self.request.where is not None)


class _Closed(Exception):
    """The index was closed meanwhile."""


class Auditor:
    """Safe to use from several threads, and after a fork."""

    _thread: threading.Thread | None

    def __init__(
        self,
        url: str,
        manifest: Manifest,
        share: float,
        exactly: Callable[[], Exactly | None],
        seed: int | None = None,
    ) -> None:
        """`share` of the questions are audited; `exactly()` answers them, None when the index is gone."""
        self._url, self._manifest, self._share, self._exactly, self._seed = url, manifest, share, exactly, seed
        self._begin()

    def __enter__(self) -> None:
        """A search begins."""
        if os.getpid() != self._process:  # A fork has no thread of ours, and is counted by itself.
            self._begin()
        with self._lock:
            self._searches += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._searches -= 1
            if self._paused and not self._searches:
                self._changed.notify_all()

    def drawn(self, count: int) -> Sequence[int]:
        """Which of the next `count` questions with a promise are sampled."""
        with self._lock:
            self.counts.asked += count
            if self._left >= count:
                self._left -= count
                return ()
            chosen = []
            while self._left < count:
                chosen.append(self._left)
                self._left += int(self._generator.geometric(self._share))
            self._left -= count
        return chosen

    def offer(self, search: Searched, chosen: Sequence[int]) -> None:
        """Audit the chosen questions of a search; returns at once."""
        with self._changed:
            self._unwritten = True
            for place in chosen:
                if search.exact:
                    self.counts.exact += 1
                elif self._closed or len(self._waiting) >= QUEUE:
                    self.counts.dropped += 1
                else:
                    self._waiting.append(search.one(place))
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="deglu-audit", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until no question waits; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._working, timeout_s)

    def close(self) -> None:
        """End the thread, and write the counts.  What waits is dropped and counted."""
        if os.getpid() != self._process:
            return
        with self._changed:
            self._closed, thread = True, self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _begin(self) -> None:
        seed = secrets.randbits(32) if self._seed is None else self._seed
        self._process, self._generator = os.getpid(), np.random.default_rng(seed)
        self._file, self.counts = CountsFile(self._url, self._manifest, seed), Counts()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._searches, self._left = 0, int(self._generator.geometric(self._share)) - 1
        self._waiting: deque[Searched] = deque()
        self._thread = None
        self._closed = self._working = self._unwritten = self._paused = False
        self._resumed = 0.0  # when the last read began
        self._warned: set[float] = set()

    def _run(self) -> None:
        due = 0.0
        while not self._closed:
            one = self._next(due)
            if one is not None:
                with suppress(_Closed):
                    self._audit(one)
                with self._changed:
                    self._working = False
                    self._changed.notify_all()
            if self._unwritten and time.monotonic() >= due:
                self._write()
                due = time.monotonic() + WRITE_S
        with self._changed:
            self.counts.dropped += len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        self._write()

    def _next(self, due: float) -> Searched | None:
        """The next question that waits; None when it is time to write the counts, or the index is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed or self._unwritten)
            left = max(0.0, due - time.monotonic())
            self._changed.wait_for(lambda: self._waiting or self._closed, left)
            if self._closed or not self._waiting:
                return None
            self._working = True
            return self._waiting.popleft()

    def _audit(self, one: Searched) -> None:
        self._resumed = time.monotonic()
        try:
            exactly = self._exactly()
            if exactly is None:
                raise _Closed
            share = share_found(one.hits, exactly(one.queries, one.request, one.kept, self._pause))
        except _Closed:
            with self._changed:
                self.counts.dropped += 1
            raise
        except (DegluError, OSError, ValueError) as error:
            logger.warning("%s: a question could not be audited: %s", self._url, error)
            with self._changed:
                self.counts.failed += 1
                self._unwritten = True
            return
        with self._changed:
            self.counts.add(one.kind, share)
            self._unwritten = True

    def _pause(self) -> None:
        rest = REST * (time.monotonic() - self._resumed)
        with self._changed:
            self._changed.wait_for(lambda: self._closed, rest)
            self._paused = True
            self._changed.wait_for(lambda: self._closed or not self._searches, PATIENCE_S)
            self._paused = False
            if self._closed:
                raise _Closed
        self._resumed = time.monotonic()

    def _write(self) -> None:
        """Write the counts, and warn once of each promise that is broken."""
        with self._changed:
            document, self._unwritten = self.counts.document(), False
        self._file.write(document)
        for row in found(parsed(document)):
            if row.broken and row.promised not in self._warned:
                self._warned.add(row.promised)
                logger.warning("%s", warning(self._url, self._manifest.version, row))


def warning(url: str, version: int, row: Found) -> str:
    """A promise that is broken, and the cure."""
    kind = "" if row.hits is None else f" ({row.kind})"
    return (
        f"{url} version {version}: recall {row.promised:g} was promised, and {row.questions:,} audited questions{kind} "
        f"find at most {row.high:.3f} with 95 % certainty; {CURE}"
    )
