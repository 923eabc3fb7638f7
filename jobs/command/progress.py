"""Progress on stderr: a bar on a terminal, plain lines elsewhere, never running backwards."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from embed.amount import Amount
from jobs.command.meter import ArchiveMeter, Meter
from jobs.command.terminal import duration

LINE_EVERY_S = 5.0
QUIET_S = 2.0  # of listing or loading, before a note is printed


class Progress(Protocol):
    """Receiver of a job's progress."""

    def begin(self, task: str, total: float, unit: str = "units") -> None:
        """Start a task of `total` units; the task before is closed."""

    def begin_archive(self, task: str, planned: Amount, before: Amount) -> None:
        """Start a task over hours of sound and megabytes of text, `before` of which are done."""

    def advance(self, units: float, sound_s: float = 0.0, failures: int = 0, text_bytes: int = 0) -> None:
        """Add to what is done: units of the task, sound and text in them, failures among them."""

    def note(self, text: str) -> None:
        """Print one line that stays."""

    def end(self) -> None:
        """End the task, finished or not."""


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
            self.note(f"{meter.task}: {meter.text()} · {duration(meter.elapsed_s)}")

    def _write(self, meter: Meter) -> None:
        self.note(f"{meter.task}: {meter.text()}")
        self._written, self._next_s = meter.moved, self._clock() + self._every_s


class Bar:
    """A bar for terminals."""

    def __init__(self, stream: TextIO) -> None:
        # Slow to import, and needed on terminals only.
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
        self._rich = RichProgress(*columns, console=Console(file=stream), redirect_stdout=False)
        self._meter: Meter | None = None

    def begin(self, task: str, total: float, unit: str = "units") -> None:
        self._begin(Meter(task, total, unit))

    def begin_archive(self, task: str, planned: Amount, before: Amount) -> None:
        self._begin(ArchiveMeter(task, planned, before))

    def _begin(self, meter: Meter) -> None:
        self.end()
        self._meter = meter
        self._task = self._rich.add_task(meter.task, total=1.0, text=meter.text())
        self._rich.update(self._task, completed=meter.fraction)
        self._rich.start()

    def advance(self, units: float, sound_s: float = 0.0, failures: int = 0, text_bytes: int = 0) -> None:
        if self._meter is not None:
            self._meter.add(units, sound_s, failures, text_bytes)
            self._rich.update(self._task, completed=self._meter.fraction, text=self._meter.text())

    def note(self, text: str) -> None:
        self._rich.console.print(text, markup=False, highlight=False)

    def end(self) -> None:
        if self._meter is not None:
            self._meter = None
            self._rich.stop()


class Silent:
    """No progress, for notebooks and tests."""

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
def note_if_slow(progress: Progress, text: str) -> Iterator[Callable[[], None]]:
    """Print a note where the block takes longer than QUIET_S; yields a function that cancels the note."""
    timer = threading.Timer(QUIET_S, progress.note, [text])
    timer.start()
    try:
        yield timer.cancel
    finally:
        timer.cancel()


@contextmanager
def probing(progress: Progress, urls: Iterable[str]) -> Iterator[Callable[[int, int], None]]:
    """For `list_assets`: a note of what is listed where that takes long, then the progress of probing."""
    shown_from_s = time.monotonic() + QUIET_S
    done: int | None = None

    def report(now: int, of: int) -> None:
        nonlocal done
        cancel_note()
        if done is None and time.monotonic() > shown_from_s:
            progress.begin("probing", of, "files")
            done = 0
        if done is not None:
            progress.advance(now - done)
            done = now

    with note_if_slow(progress, f"listing {', '.join(urls)}") as cancel_note:
        try:
            yield report
        finally:
            progress.end()


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """A bar where stderr is a terminal, lines elsewhere; closed also after an error."""
    progress: Progress = Bar(sys.stderr) if sys.stderr.isatty() else Lines(sys.stderr)
    try:
        yield progress
    finally:
        progress.end()
