"""Progress told by a clock that the test turns."""

import io
import threading
import time

import pytest

from embed.amount import Amount
from jobs.command.meter import ArchiveMeter, Meter
from jobs.command.progress import Lines, Silent
from jobs.command.terminal import duration


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_meter_tells_pace_and_time_left(clock: Clock) -> None:
    meter = Meter("embed", 40, "units", clock)
    clock.now += 60
    meter.add(10, sound_s=600, failures=2)
    assert meter.fraction == 0.25
    assert meter.left_s == 180
    assert meter.times_real == 10
    assert meter.text() == "10/40 units · 25 % · 3 min left · 10.0x real time · 2 failures"


def test_nothing_runs_backwards(clock: Clock) -> None:
    meter = Meter("embed", 4, "units", clock)
    meter.add(3, 10, 1)
    meter.add(-2, -5, -1)
    assert (meter.done, meter.sound_s, meter.failures) == (3, 10, 1)
    meter.add(5, 0, 0)  # the headers lied: there was more
    assert meter.fraction == 1.0
    assert meter.left_s is None


def test_an_empty_task_is_done(clock: Clock) -> None:
    assert Meter("embed", 0, "units", clock).fraction == 1.0


def test_one_of_one_is_singular(clock: Clock) -> None:
    meter = Meter("verifying", 1, "files", clock)
    meter.add(1, 0, 1)
    assert meter.text() == "1/1 file · 100 % · 1 failure"


def test_a_hundred_percent_waits_for_the_last_unit(clock: Clock) -> None:
    """Three minutes of sound are done, a short text is not: 99.9 % of the work, and not all of it."""
    meter = ArchiveMeter("embed", Amount(units=2, sound_s=180.0, text_bytes=100), Amount(), clock)
    clock.now += 20
    meter.add(1, 180.0, 0)
    assert meter.text().startswith("3.0/3.0 min · 0.0/0.1 kB of text · 99 % ")
    many = ArchiveMeter("embed", Amount(units=1000, sound_s=180.0, text_bytes=100), Amount(), clock)
    many.add(999, 180.0, 0)
    assert " · 99 %" in many.text()
    many.add(1, 0.0, 0, text_bytes=100)
    assert " · 100 %" in many.text()


def test_no_time_left_is_told_before_it_is_measured(clock: Clock) -> None:
    """The first unit, a text of some words, is done when the workers have started: it says nothing of the sound."""
    meter = ArchiveMeter("embed", Amount(units=3, sound_s=180.0, text_bytes=80), Amount(), clock)
    clock.now += 30
    meter.add(1, 0.0, 0, text_bytes=80)
    assert (meter.left_s, "left" in meter.text()) == (None, False)
    clock.now += 30
    meter.add(1, 90.0, 0)
    assert meter.left_s == pytest.approx(60, abs=1)


def test_a_long_archive_is_measured_by_one_unit_of_sound(clock: Clock) -> None:
    meter = ArchiveMeter("embed", Amount(units=6000, sound_s=3.6e6), Amount(units=3000, sound_s=1.8e6), clock)
    clock.now += 60
    meter.add(1, 600.0, 0)
    assert meter.left_s == pytest.approx(60 * 2999, rel=0.01)


def test_lines_come_every_few_seconds_and_at_the_end(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream, every_s=5, clock=clock)
    lines.begin_archive("embed", Amount(units=10), Amount())
    for _ in range(10):
        clock.now += 1
        lines.advance(1)
    lines.end()
    lines.end()
    assert stream.getvalue().splitlines() == [
        "embed: 0/10 units · 0 %",
        "embed: 5/10 units · 50 %",
        "embed: 10/10 units · 100 %",
    ]


def test_the_last_line_is_told_even_in_between(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream, every_s=5, clock=clock)
    lines.begin_archive("embed", Amount(units=2), Amount())
    clock.now += 1
    lines.advance(1)
    lines.note("one more thing")
    lines.end()
    lines.advance(1)  # after the end nobody listens
    assert stream.getvalue().splitlines()[1:] == ["one more thing", "embed: 1/2 units · 50 % · 1 s"]


def test_a_short_task_shows_nothing_and_a_long_one_does() -> None:
    shown = threading.Event()

    class Stream(io.StringIO):
        def flush(self) -> None:
            shown.set()

    stream = Stream()
    lines = Lines(stream, quiet_s=0.05)
    lines.begin("index", 2, "rows")
    lines.advance(2)
    lines.end()
    time.sleep(0.1)
    assert stream.getvalue() == ""
    lines.begin("index", 2, "rows")  # the first row takes long
    assert shown.wait(timeout=10)
    assert stream.getvalue() == "index: 0/2 rows · 0 %\n"
    lines.end()


def test_silence() -> None:
    quiet = Silent()
    quiet.begin("embed", 1)
    quiet.advance(1)
    quiet.note("hush")
    quiet.end()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (90, "2 min"), (3 * 3600 + 300, "3 h 05 min")]
)
def test_span(seconds: float, words: str) -> None:
    assert duration(seconds) == words
