"""Meter of progress: shares done, pace and time left, as numbers and as text."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from embed.amount import Amount
from embed.quantities import many
from jobs.command.terminal import duration


@dataclass
class Meter:
    """Progress of one task; every number only grows, except the time left.  `unit` is a plural: `files`."""

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
        """Grows with every step: lines with equal values are equal."""
        return self.done

    @property
    def fraction(self) -> float:
        """0 to 1, capped at 1: the total comes from headers, which may be wrong."""
        return min(self.done / self.total, 1.0) if self.total > 0 else 1.0

    @property
    def elapsed_s(self) -> float:
        return self.clock() - self.started

    @property
    def left_s(self) -> float | None:
        """Seconds left at the pace so far; None before the first unit."""
        return self.elapsed_s * (self.total - self.done) / self.done if 0 < self.done <= self.total else None

    @property
    def times_real(self) -> float | None:
        """Seconds of sound per second of work; None for work without sound."""
        return self.sound_s / self.elapsed_s if self.sound_s and self.elapsed_s > 0 else None

    def text(self) -> str:
        """`12/40 units · 30 % · 4 min left · 8.1x real time · 2 failures`"""
        return " · ".join([of_total(self.done, self.total, self.unit), *self._pace()])

    def _pace(self) -> list[str]:
        parts = [f"{percent(self.fraction)} %"]
        if self.left_s:
            parts.append(f"{duration(self.left_s)} left")
        if self.times_real is not None:
            parts.append(f"{self.times_real:.1f}x real time")
        if self.failures:
            parts.append(many(self.failures, "failure"))
        return parts


# A megabyte of text takes about as long as this many seconds of sound, on one core with the demo's model.
SOUND_S_PER_MB = 1_250
# The time left is a guess until this share of the work is done, at most one long unit, at least some seconds of sound:
# one short text of an archive, done while the workers start, gave "128 h left" for three minutes of sound.
MEASURED_SHARE, MOST_S, LEAST_S = 0.05, 600.0, 10.0


class ArchiveMeter(Meter):
    """Meter of an archive: hours of sound and megabytes of text, done and planned; `before` does not count as pace."""

    def __init__(self, task: str, planned: Amount, before: Amount, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(task, effort(planned), "hours", clock)
        self._planned, self._before, self._now = planned, before, before
        self.done = effort(before)

    def add(self, units: float, sound_s: float, failures: int, text_bytes: int = 0) -> None:
        more = Amount(units=int(units), sound_s=max(sound_s, 0.0), text_bytes=max(text_bytes, 0))
        self._now += more
        super().add(effort(more), sound_s, failures)

    @property
    def fraction(self) -> float:
        """As of any meter, but 1 only when every unit is done, and always then: weights and lengths are estimates."""
        if self._now.units >= self._planned.units:
            return 1.0
        return min(super().fraction, 0.999)

    @property
    def left_s(self) -> float | None:
        """Seconds left at the pace so far; None before enough is done to measure it."""
        here, ours = self.done - effort(self._before), self.total - effort(self._before)
        if here < max(LEAST_S, min(MOST_S, MEASURED_SHARE * ours)) or here > ours:
            return None
        return self.elapsed_s * (self.total - self.done) / here if self.fraction < 1 else 0.0

    def text(self) -> str:
        """`12.4/105.3 h · 3.1/20.0 MB of text · 12 % · 8.1x real time · 3 h 05 min left · 2 failures`"""
        now, planned = self._now, self._planned
        parts = [f"{_hours(now.sound_s, planned.sound_s)}"] if planned.sound_s else []
        if planned.text_bytes:
            parts.append(f"{_megabytes(now.text_bytes, planned.text_bytes)} of text")
        if not parts:
            parts.append(of_total(now.units, planned.units, "units"))
        return " · ".join([*parts, *self._pace()])


def effort(amount: Amount) -> float:
    """The cost of sound, text and the number of units, in seconds of sound."""
    return amount.sound_s + amount.text_bytes / 1e6 * SOUND_S_PER_MB + amount.units * 0.01


def percent(fraction: float) -> int:
    """Whole percents, rounded down: 100 is everything."""
    return math.floor(100 * fraction + 1e-9)


def of_total(done: float, total: float, unit: str) -> str:
    """`3/40 files`, `0/1 file`; `unit` is the plural."""
    return f"{_count(done)}/{_count(total)} {unit.removesuffix('s') if total == 1 else unit}"


def _hours(done_s: float, all_s: float) -> str:
    if all_s < 7200:
        return f"{min(done_s, all_s) / 60:.1f}/{all_s / 60:.1f} min"
    return f"{min(done_s, all_s) / 3600:,.1f}/{all_s / 3600:,.1f} h"


def _megabytes(done: int, all_bytes: int) -> str:
    if all_bytes < 1e6:
        return f"{min(done, all_bytes) / 1e3:.1f}/{all_bytes / 1e3:.1f} kB"
    return f"{min(done, all_bytes) / 1e6:,.1f}/{all_bytes / 1e6:,.1f} MB"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
