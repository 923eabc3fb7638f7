"""Progress on stderr: a bar on a terminal, plain lines elsewhere, never running backwards."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from embed.amount import Amount

LINE_EVERY_S = 5.0
QUIET_S = 2.0  # of listing or loading, until it is told


class Progress(Protocol):
    """Where a job tells how far it is."""

    def begin(self, task: str, total: float, unit: str = "units") -> None:
        """A new task of `total` units; what came before is closed."""

    def begin_archive(self, task: str, planned: Amount, before: Amount) -> None:
        """A new task over hours of sound and megabytes of text, `before` of which are done."""

    def advance(self, units: float, sound_s: float = 0.0, failures: int = 0, text_bytes: int = 0) -> None:
        """So much more is done: units of the task, sound and text in them, failures among them."""

    def note(self, text: str) -> None:
        """One line worth keeping."""

    def end(self) -> None:
        """The task is over, done or not."""


@dataclass
class Meter:
    """The arithmetic of progress; every number it tells only grows, but for the time left."""

    task: str
    total: float
    unit: str
    clock: Callable[[], float] = time.monotonic
    done: float = 0.0
    sound_s: float = 0.0
    failures: int = 0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def add(self, units: float, sound_s: float, failures: int, text_bytes: int = 0) -> None:
        self.done += max(units, 0.0)
        self.sound_s += max(sound_s, 0.0)
        self.failures += max(failures, 0)

    @property
    def moved(self) -> float:
        """Grows with every step: two lines with the same are the same."""
        return self.done

    @property
    def fraction(self) -> float:
        """0 to 1; the total came from headers, which may lie, so more than all is all."""
        return min(self.done / self.total, 1.0) if self.total > 0 else 1.0

    @property
    def elapsed_s(self) -> float:
        return self.clock() - self.started

    @property
    def left_s(self) -> float | None:
        """Seconds still to go at the pace so far; None before the first unit."""
        return self.elapsed_s * (self.total - self.done) / self.done if 0 < self.done <= self.total else None

    @property
    def times_real(self) -> float | None:
        """Seconds of sound per second of work; None for work without sound."""
        return self.sound_s / self.elapsed_s if self.sound_s and self.elapsed_s > 0 else None

    def words(self) -> str:
        """`12/40 units · 30 % · 4 min left · 8.1x real time · 2 failures`"""
        return " · ".join([f"{_count(self.done)}/{_count(self.total)} {self.unit}", *self._pace()])

    def _pace(self) -> list[str]:
        parts = [f"{100 * self.fraction:.0f} %"]
        if self.left_s:
            parts.append(f"{span(self.left_s)} left")
        if self.times_real is not None:
            parts.append(f"{self.times_real:.1f}x real time")
        if self.failures:
            parts.append(f"{self.failures} failure{'s' * (self.failures > 1)}")
        return parts


# Megabytes of text take about as long as so many seconds of sound, on one core and the demo's model.
SOUND_S_PER_MB = 1_250


class ArchiveMeter(Meter):
    """Of an archive: hours of sound and megabytes of text, done and planned; what was there before is not our pace."""

    def __init__(self, task: str, planned: Amount, before: Amount, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(task, effort(planned), "hours", clock)
        self._planned, self._before, self._now = planned, before, before
        self.done = effort(before)

    def add(self, units: float, sound_s: float, failures: int, text_bytes: int = 0) -> None:
        more = Amount(units=int(units), sound_s=max(sound_s, 0.0), text_bytes=max(text_bytes, 0))
        self._now += more
        super().add(effort(more), sound_s, failures)

    @property
    def left_s(self) -> float | None:
        here = self.done - effort(self._before)
        return self.elapsed_s * (self.total - self.done) / here if here > 0 and self.done <= self.total else None

    def words(self) -> str:
        """`12.4/105.3 h · 3.1/20.0 MB of text · 12 % · 8.1x real time · 3 h 05 min left · 2 failures`"""
        now, planned = self._now, self._planned
        parts = [f"{_hours(now.sound_s, planned.sound_s)}"] if planned.sound_s else []
        if planned.text_bytes:
            parts.append(f"{_megabytes(now.text_bytes, planned.text_bytes)} of text")
        if not parts:
            parts.append(f"{now.units}/{planned.units} units")
        return " · ".join([*parts, *self._pace()])


def effort(amount: Amount) -> float:
    """Of sound, text and the mere number of units, in seconds of sound."""
    return amount.sound_s + amount.text_bytes / 1e6 * SOUND_S_PER_MB + amount.units * 0.01


def _hours(done_s: float, all_s: float) -> str:
    if all_s < 7200:
        return f"{min(done_s, all_s) / 60:.1f}/{all_s / 60:.1f} min"
    return f"{min(done_s, all_s) / 3600:,.1f}/{all_s / 3600:,.1f} h"


def _megabytes(done: int, all_bytes: int) -> str:
    if all_bytes < 1e6:
        return f"{min(done, all_bytes) / 1e3:.1f}/{all_bytes / 1e3:.1f} kB"
    return f"{min(done, all_bytes) / 1e6:,.1f}/{all_bytes / 1e6:,.1f} MB"


class Lines:
    """Plain lines for logs and pipes: the first, one every few seconds, the last."""

    def __init__(
        self, stream: TextIO, every_s: float = LINE_EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._every_s, self._clock = stream, every_s, clock
        self._meter: Meter | None = None
        self._written = -1.0  # `done` at the last line
        self._next_s = 0.0

    def begin(self, task: str, total: float, unit: str = "units") -> None:
        self._begin(Meter(task, total, unit, self._clock))

    def begin_archive(self, task: str, planned: Amount, before: Amount) -> None:
        self._begin(ArchiveMeter(task, planned, before, self._clock))

    def advance(self, units: float, sound_s: float = 0.0, failures: int = 0, text_bytes: int = 0) -> None:
        if self._meter is None:
            return
        self._meter.add(units, sound_s, failures, text_bytes)
        if self._clock() >= self._next_s:
            self._write(self._meter)

    def _begin(self, meter: Meter) -> None:
        self.end()
        self._meter = meter
        self._write(meter)

    def note(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def end(self) -> None:
        meter, self._meter = self._meter, None
        if meter is not None and meter.moved != self._written:
            self.note(f"{meter.task}: {meter.words()} · {span(meter.elapsed_s)}")

    def _write(self, meter: Meter) -> None:
        self.note(f"{meter.task}: {meter.words()}")
        self._written, self._next_s = meter.moved, self._clock() + self._every_s


class Bar:
    """A bar for terminals."""

    def __init__(self, stream: TextIO) -> None:
        # Heavier than everything else here, and wanted on terminals alone.
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
        self._rich = RichProgress(*columns, console=Console(file=stream), redirect_stdout=False)
        self._meter: Meter | None = None

    def begin(self, task: str, total: float, unit: str = "units") -> None:
        self._begin(Meter(task, total, unit))

    def begin_archive(self, task: str, planned: Amount, before: Amount) -> None:
        self._begin(ArchiveMeter(task, planned, before))

    def _begin(self, meter: Meter) -> None:
        self.end()
        self._meter = meter
        self._task = self._rich.add_task(meter.task, total=1.0, words=meter.words())
        self._rich.update(self._task, completed=meter.fraction)
        self._rich.start()

    def advance(self, units: float, sound_s: float = 0.0, failures: int = 0, text_bytes: int = 0) -> None:
        if self._meter is not None:
            self._meter.add(units, sound_s, failures, text_bytes)
            self._rich.update(self._task, completed=self._meter.fraction, words=self._meter.words())

    def note(self, text: str) -> None:
        self._rich.console.print(text, markup=False, highlight=False)

    def end(self) -> None:
        if self._meter is not None:
            self._meter = None
            self._rich.stop()


class Silent:
    """For notebooks and tests that want none."""

    def begin(self, task: str, total: float, unit: str = "units") -> None:
        pass

    def begin_archive(self, task: str, planned: Amount, before: Amount) -> None:
        pass

    def advance(self, units: float, sound_s: float = 0.0, failures: int = 0, text_bytes: int = 0) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def end(self) -> None:
        pass


@contextmanager
def told_if_slow(progress: Progress, text: str) -> Iterator[Callable[[], None]]:
    """A note of what is going on, where it takes longer than a moment; call what it yields to have it left out."""
    timer = threading.Timer(QUIET_S, progress.note, [text])
    timer.start()
    try:
        yield timer.cancel
    finally:
        timer.cancel()


@contextmanager
def probing(progress: Progress, urls: Iterable[str]) -> Iterator[Callable[[int, int], None]]:
    """For `list_assets`: says what is listed where that takes long, then how far probing is."""
    loud_s = time.monotonic() + QUIET_S
    done: int | None = None

    def tell(now: int, of: int) -> None:
        nonlocal done
        listed()
        if done is None and time.monotonic() > loud_s:
            progress.begin("probing", of, "files")
            done = 0
        if done is not None:
            progress.advance(now - done)
            done = now

    with told_if_slow(progress, f"listing {', '.join(urls)}") as listed:
        try:
            yield tell
        finally:
            progress.end()


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """A bar where stderr is a terminal, lines elsewhere; closed whatever happens."""
    progress: Progress = Bar(sys.stderr) if sys.stderr.isatty() else Lines(sys.stderr)
    try:
        yield progress
    finally:
        progress.end()


def span(seconds: float) -> str:
    """`42 s`, `7 min`, `3 h 05 min`: as exact as anybody wants to read."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
