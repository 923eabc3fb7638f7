"""Progress on stderr: a bar on a terminal, plain lines elsewhere, never running backwards; nothing for short tasks."""

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from embed.amount import Amount
from embed.redaction import redacted
from jobs.command.meter import ArchiveMeter, Meter
from jobs.command.terminal import duration, one_line

LINE_EVERY_S = 5.0
QUIET_S = 2.0  # of a task, of listing or loading, before anything is shown of it


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


class _Display(ABC):
    """Display of one task at a time: it opens after `quiet_s`, so that a short task shows nothing."""

    def __init__(self, quiet_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet_s, self._clock = quiet_s, clock
        self._meter: Meter | None = None
        self._is_open = False
        self._timer, self._lock = threading.Timer(quiet_s, self._show), threading.RLock()

    def begin(self, task: str, total: float, unit: str = "units") -> None:
        self._begin(Meter(task, total, unit, self._clock))
        self._timer = threading.Timer(self._quiet_s, self._show)
        self._timer.daemon = True
        self._timer.start()

    def begin_archive(self, task: str, planned: Amount, before: Amount) -> None:
        self._begin(ArchiveMeter(task, planned, before, self._clock))
        self._show()  # at once: workers take seconds to start

    def advance(self, units: float, sound_s: float = 0.0, failures: int = 0, text_bytes: int = 0) -> None:
        with self._lock:
            if self._meter is not None:
                self._meter.add(units, sound_s, failures, text_bytes)
                if self._is_open:
                    self._update(self._meter)

    def end(self) -> None:
        self._timer.cancel()
        with self._lock:
            if self._meter is not None and self._is_open:
                self._close(self._meter)
            self._meter, self._is_open = None, False

    def _begin(self, meter: Meter) -> None:
        self.end()
        self._meter = meter

    def _show(self) -> None:
        with self._lock:
            if self._meter is not None and not self._is_open:
                self._is_open = True
                self._open(self._meter)

    @abstractmethod
    def note(self, text: str) -> None: ...
    @abstractmethod
    def _open(self, meter: Meter) -> None: ...
    @abstractmethod
    def _update(self, meter: Meter) -> None: ...
    @abstractmethod
    def _close(self, meter: Meter) -> None: ...


class Lines(_Display):
    """Plain lines for logs and pipes: the first, one every few seconds, the last."""

    def __init__(
        self,
        stream: TextIO,
        every_s: float = LINE_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
        quiet_s: float = QUIET_S,
    ) -> None:
        super().__init__(quiet_s, clock)
        self._stream, self._every_s = stream, every_s
        self._written = -1.0  # `moved` at the last line
        self._next_s = 0.0

    def note(self, text: str) -> None:
        with self._lock:
            self._stream.write(one_line(redacted(text)) + "\n")
            self._stream.flush()

    def _open(self, meter: Meter) -> None:
        self.note(f"{meter.task}: {meter.text()}")
        self._written, self._next_s = meter.moved, self._clock() + self._every_s

    def _update(self, meter: Meter) -> None:
        if self._clock() >= self._next_s:
            self._open(meter)

    def _close(self, meter: Meter) -> None:
        if meter.moved != self._written:
            self.note(f"{meter.task}: {meter.text()} · {duration(meter.elapsed_s)}")


class Bar(_Display):
    """A bar for terminals."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console  # slow to import, and needed on terminals only

        super().__init__(QUIET_S)
        self._console = Console(file=stream)

    def note(self, text: str) -> None:
        self._console.print(one_line(redacted(text)), markup=False, highlight=False)

    def _open(self, meter: Meter) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
        self._rich = RichProgress(*columns, console=self._console, redirect_stdout=False)
        self._task = self._rich.add_task(meter.task, total=1.0, text=meter.text())
        self._update(meter)
        self._rich.start()

    def _update(self, meter: Meter) -> None:
        self._rich.update(self._task, completed=meter.fraction, text=meter.text())

    def _close(self, meter: Meter) -> None:
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
    done: int | None = None

    def report(now: int, of: int) -> None:
        nonlocal done
        cancel_note()
        if done is None:
            progress.begin("probing", of, "files")
        progress.advance(now - (done or 0))
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
