"""Tuning of a peer: the cheapest setting of its grid, and the best of its builds, that reach a recall.

Only calibration queries are used; reported numbers are measured on others.  Grids are searched by bisection, since
along a ladder both recall and cost grow; of the ladders the cheapest success counts, by CPU time measured for each mode
(in one batch, one at a time).
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from embed.encoder import FloatArray
from evaluate.bench.index.contender import Family, Peer, Setting
from evaluate.bench.index.measure import SINGLY, Truth, cpu_seconds
from evaluate.bench.timing import interleaved

Mode = Literal["batch", "single"]
MODES: tuple[Mode, ...] = ("batch", "single")
TARGETS = (0.95, 0.99, 0.999)
CHOICE = 0.99  # builds are chosen at this recall
CHOICE_ROWS, CHOICE_QUERIES = 20_000, 500  # ... over this many first rows and queries
TOO_EXPENSIVE = 1.3  # times the cheapest success: higher steps of a ladder are not tried
CLOSE = 1.25  # candidates within this factor of the cheapest are timed again
FRONT = 6  # points of a curve
CURVE_FROM = 0.9  # recall


@dataclass(frozen=True)
class Trial:
    """A setting on the calibration queries: recall, and CPU seconds of one batch of all queries."""

    setting: Setting
    recall: float
    seconds: float


@dataclass
class Tuner:
    """Settings of one built peer, each tried at most once."""

    peer: Peer
    truth: Truth
    trials: dict[Setting, Trial] = field(default_factory=dict)

    def cheapest(self, recall: float, mode: Mode) -> Setting | None:
        """The setting that reaches this recall at the least cost; None where none of the grid does."""
        found: list[Trial] = []
        for ladder in self.peer.ladders():
            limit = TOO_EXPENSIVE * min((one.seconds for one in found), default=np.inf)
            first = self._first(ladder, recall, limit)
            found += [first] if first else []
        least = min((one.seconds for one in found), default=0.0)
        close = [one.setting for one in found if one.seconds <= CLOSE * least]
        return self._quickest(close, mode) if close else None

    @property
    def best(self) -> Trial:
        """The trial with the highest recall."""
        return max(self.trials.values(), key=lambda one: one.recall)

    def front(self) -> list[Setting]:
        """Settings that none beats in both recall and cost, at about even steps of log(1 - recall), cheapest first."""
        front: list[Trial] = []
        for one in sorted(self.trials.values(), key=lambda one: one.seconds):
            if one.recall >= CURVE_FROM and (not front or one.recall > front[-1].recall):
                front.append(one)
        depth = [float(np.log10(max(1 - one.recall, 1e-4))) for one in front]
        even = np.linspace(depth[0], depth[-1], FRONT).tolist() if front else []
        chosen = {int(np.argmin(np.abs(np.array(depth) - value))) for value in even}
        return [front[place].setting for place in sorted(chosen)]

    def _first(self, ladder: Sequence[Setting], recall: float, limit: float) -> Trial | None:
        """The cheapest setting of a ladder that reaches the recall within the limit of seconds, by bisection."""
        low, high, found = 0, len(ladder) - 1, None
        while low <= high:
            middle = (low + high) // 2
            one = self._try(ladder[middle])
            if one.recall >= recall:
                found, high = one, middle - 1
            elif one.seconds > limit:
                return None
            else:
                low = middle + 1
        return found

    def _try(self, setting: Setting) -> Trial:
        if setting not in self.trials:
            ids = []
            asked = self.truth.queries
            seconds = cpu_seconds(lambda: ids.append(self.peer.search(asked, self.truth.k, setting)))
            self.trials[setting] = Trial(setting, float(self.truth.recall(ids[0]).mean()), seconds)
        return self.trials[setting]

    def _quickest(self, settings: Sequence[Setting], mode: Mode) -> Setting:
        if len(settings) == 1:
            return settings[0]
        few, k = self.truth.queries[: SINGLY // 2], self.truth.k

        def asks(setting: Setting) -> object:
            if mode == "batch":
                return self.peer.search(self.truth.queries, k, setting)
            return [self.peer.search(few[i : i + 1], k, setting) for i in range(len(few))]

        spent = interleaved({str(place): partial(asks, one) for place, one in enumerate(settings)}, rounds=3)
        return settings[int(min(spent, key=spent.__getitem__))]


def best_build(family: Family, rows: FloatArray, queries: FloatArray) -> Peer:
    """A new peer, not built yet: the family's variant that is cheapest at a recall of 0.99 over the first 20,000 rows.

    Where none reaches it, the one that comes nearest.
    """
    if len(family.variants) == 1:
        return family.variants[0]()
    truth = Truth.of(rows[:CHOICE_ROWS], queries[:CHOICE_QUERIES])
    costs = [_cost(make(), truth) for make in family.variants]
    return family.variants[int(np.argmin(costs))]()


def _cost(peer: Peer, truth: Truth) -> float:
    """CPU seconds of a batch at 0.99; where 0.99 is out of reach, a larger number that falls with recall."""
    began = time.process_time()
    peer.build(truth.rows)
    peer.use_threads(1)
    tuner = Tuner(peer, truth)
    setting = tuner.cheapest(CHOICE, "batch")
    if setting is None:
        seconds = 1e6 * (2 - tuner.best.recall)
        result = reason(tuner, CHOICE)
    else:
        seconds = min(cpu_seconds(lambda: peer.search(truth.queries, truth.k, setting)) for _ in range(3))
        result = f"{len(truth.queries) / seconds:.0f} queries/cpu-s at recall@10 {CHOICE:g}"
    log_progress(f"  {peer.name} over {len(truth.rows)} rows: {result} ({time.process_time() - began:.1f} CPU-s)")
    return seconds


def log_progress(line: str) -> None:
    """Write a line of progress to stderr, with the CPU time so far."""
    sys.stderr.write(f"bench index, {time.process_time():.0f} cpu-s: {line}\n")
    sys.stderr.flush()


def reason(tuner: Tuner, recall: float) -> str:
    """Why there is no number at this recall."""
    return f"misses recall@10 {recall:g}: {tuner.best.recall:.4f} at best, at {tuner.best.setting}"


def failure(error: Exception) -> str:
    """A peer's own error as a reason, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
