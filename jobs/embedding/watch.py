"""Tracking of a run from its driver: counts outcomes, keeps `runs/<id>.json` up to date, reports units that hang.

The run is written to storage every few seconds: `deglu status` needs no cluster, and two drivers see each other.
"""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from embed.accounting import EMBEDDED, FAILED
from embed.amount import Amount
from embed.dataset.job import Job
from embed.dataset.runs import SEEN_EVERY_S, Run, begin_run, moment, write_run
from embed.errors import DegluError
from embed.redaction import redacted
from embed.tables import SPEECH
from jobs.command.progress import Progress
from jobs.command.terminal import duration
from jobs.embedding.encode_worker import ELSEWHERE

SLOW_AFTER_S = 300.0  # without one finished unit; reported once, and again after the next slow unit

log = logging.getLogger(__name__)


class Watch:
    """State of a run in progress; as a context manager it writes to storage how the run ended."""

    def __init__(self, url: str, run: Run, progress: Progress, slow_after_s: float = SLOW_AFTER_S) -> None:
        self.run, self.progress = run, progress
        self.unfinished: Callable[[], list[str]] = list  # uris started and not committed
        self._url, self._slow_after_s = url, slow_after_s
        self._lock, self._over = threading.Lock(), threading.Event()
        self._moved = time.monotonic()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="watch")

    @classmethod
    def of(cls, job: Job, workers: int, progress: Progress) -> Self:
        """A new run of this job."""
        return cls(job.url, begin_run(workers).model_copy(update={"job": job.number}), progress)

    def __enter__(self) -> Self:
        write_run(self._url, self.run)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(timeout=5)
        if kind is None:
            self.update(state="stopped" if self.run.state == "stopped" else "complete")
        elif issubclass(kind, KeyboardInterrupt):
            self.update(state="interrupted")
        elif issubclass(kind, SystemExit):
            self.update(state="stopped", note="ended by SIGTERM")
        elif self.run.state != "stopped":
            self.update(state="failed", note=redacted(" ".join(str(error).split()))[:500])
        self._write()

    def update(self, **changes: Any) -> None:
        with self._lock:
            self.run = self.run.model_copy(update={**changes, "seen": moment()})

    def observe(self, outcomes: pa.Table) -> None:
        """OUTCOMES of units that are committed now."""
        self._moved = time.monotonic()
        mine = outcomes.filter(pc.not_equal(outcomes["outcome"], ELSEWHERE))
        failures = pc.sum(pc.equal(mine["outcome"], FAILED), min_count=0).as_py() if mine.num_rows else 0
        if mine.num_rows:
            done, failed = self.run.done + planned_of(mine), self.run.failures + failures
            precision = mine["precision"][0].as_py()
            self.update(done=done, failures=failed, precision=precision, last_unit=moment(), slow=())
        amount = planned_of(outcomes)
        self.progress.advance(amount.units, sound_s=amount.sound_s, failures=failures, text_bytes=amount.text_bytes)
        for note in outcomes["note"].drop_null().to_pylist():
            self.progress.note(note)

    def restarted(self, reason: str) -> None:
        """A worker died, or the pass did."""
        self.update(restarts=self.run.restarts + 1)
        self.progress.note(reason)

    def _beat(self) -> None:
        while not self._over.wait(SEEN_EVERY_S):
            try:
                self._report_slow()
                self._write()
            except DegluError as error:  # storage is unavailable for a while: the run itself waits for it, too
                log.warning("the run's state could not be written: %s", error)

    def _report_slow(self) -> None:
        """Report the units in progress when none was finished for long."""
        still_s = time.monotonic() - self._moved
        if self.run.state == "embedding" and still_s > self._slow_after_s and not self.run.slow:
            slow = tuple(sorted(set(self.unfinished())))[:10]
            self.update(slow=slow or ("no unit is in progress: workers are missing",))
            self.progress.note(f"no unit was finished for {duration(still_s)}; in progress: {', '.join(self.run.slow)}")

    def _write(self) -> None:
        self.update()
        write_run(self._url, self.run)


def planned_of(outcomes: pa.Table) -> Amount:
    """The planned amount of the units of OUTCOMES."""
    speech = pc.equal(outcomes["modality"], SPEECH)
    sound_ms = pc.sum(outcomes.filter(speech)["planned"], min_count=0).as_py()
    text_bytes = pc.sum(outcomes.filter(pc.invert(speech))["planned"], min_count=0).as_py()
    return Amount(units=outcomes.num_rows, sound_s=sound_ms / 1000, text_bytes=text_bytes)


class FailureLimit:
    """Counts assets of which nothing could be embedded, to stop a job early that cannot succeed any more."""

    def __init__(self, todo: pa.Table, assets: int, max_failed_fraction: float) -> None:
        counts = pc.value_counts(todo["asset_id"].combine_chunks()).to_pylist()
        self._pending = {one["values"]: one["counts"] for one in counts if one["counts"] > 1}
        self._seen: dict[bytes, tuple[bool, bool]] = {}  # of assets with units pending: embedded, failed from the start
        self._at_most, self.assets, self.failed = max_failed_fraction * assets, assets, 0

    def observe(self, outcomes: pa.Table) -> bool:
        """Whether too many assets have failed as a whole, by OUTCOMES of units that are committed now."""
        for row in outcomes.select(["asset_id", "outcome", "start"]).to_pylist():
            self._count(row["asset_id"], row["outcome"], row["start"] == 0)
        return self.failed > self._at_most

    def _count(self, asset: bytes, outcome: str, first: bool) -> None:
        several = asset in self._pending
        good, bad = self._seen.pop(asset, (False, False))
        good = good or outcome in (EMBEDDED, ELSEWHERE)
        # Of several units the first must have failed in this run: then no run before has embedded one of them.
        bad = bad or (outcome == FAILED and (first or not several))
        if several and self._pending[asset] > 1:
            self._pending[asset] -= 1
            self._seen[asset] = good, bad
        else:
            self._pending.pop(asset, None)
            self.failed += bad and not good
