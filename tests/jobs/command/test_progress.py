"""Progress told by a clock that the test turns."""

import io

import pytest

from jobs.command.meter import Meter
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


def test_lines_come_every_few_seconds_and_at_the_end(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream, every_s=5, clock=clock)
    lines.begin("embed", 10, "files")
    for _ in range(10):
        clock.now += 1
        lines.advance(1)
    lines.end()
    lines.end()
    assert stream.getvalue().splitlines() == [
        "embed: 0/10 files · 0 %",
        "embed: 5/10 files · 50 % · 5 s left",
        "embed: 10/10 files · 100 %",
    ]


def test_the_last_line_is_told_even_in_between(clock: Clock) -> None:
    stream = io.StringIO()
    lines = Lines(stream, every_s=5, clock=clock)
    lines.begin("embed", 2)
    clock.now += 1
    lines.advance(1)
    lines.note("one more thing")
    lines.end()
    lines.advance(1)  # after the end nobody listens
    assert stream.getvalue().splitlines()[1:] == ["one more thing", "embed: 1/2 units · 50 % · 1 s left · 1 s"]


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
