import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from embed.errors import SpecError
from embed.storage.retry import Patience, Requests, TransientFailure, each


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        self.now += pause_s


def patience(clock: Clock, chance: float = 1.0, total_s: float = 180.0) -> Patience:
    return Patience(total_s=total_s, sleep=clock.sleep, clock=lambda: clock.now, chance=lambda: chance)


def transient_failure(error: Exception) -> TransientFailure | None:
    """A server that is away, or busy, comes back; anything else is final."""
    if isinstance(error, BlockingIOError):
        return TransientFailure("answered SlowDown", slow=True)
    return TransientFailure("cannot be reached") if isinstance(error, ConnectionError) else None


def failing(times: int, error: type[OSError] = ConnectionError) -> Callable[[], str]:
    left = iter(range(times))

    def act() -> str:
        if next(left, None) is not None:
            raise error
        return "done"

    return act


def test_what_passes_is_tried_again_with_growing_pauses() -> None:
    clock = Clock()
    assert Requests(transient_failure, patience(clock)).do("s3://b/a", failing(9)) == "done"
    assert clock.pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])


def test_jitter_is_full() -> None:
    clock = Clock()
    Requests(transient_failure, patience(clock, chance=0.25)).do("s3://b/a", failing(3))
    assert clock.pauses == pytest.approx([0.025, 0.05, 0.1])


def test_what_cannot_pass_travels_at_once() -> None:
    clock = Clock()
    with pytest.raises(PermissionError):
        Requests(transient_failure, patience(clock)).do("s3://b/a", failing(9, PermissionError))
    assert clock.pauses == []


def test_patience_ends() -> None:
    clock = Clock()
    with pytest.raises(ConnectionError):
        Requests(transient_failure, patience(clock)).do("s3://b/a", failing(10_000))
    assert 160 < clock.now <= 180


def test_patience_counts_from_the_first_failure() -> None:
    """A large body may take its time before it breaks."""
    clock = Clock()
    tries = iter(range(2))

    def slow_then_broken() -> str:
        clock.now += 200
        if next(tries) == 0:
            raise ConnectionError
        return "done"

    assert Requests(transient_failure, patience(clock)).do("s3://b/a", slow_then_broken) == "done"


def test_no_patience_is_one_try() -> None:
    clock = Clock()
    with pytest.raises(ConnectionError):
        Requests(transient_failure, patience(clock, total_s=0)).do("s3://b/a", failing(1))
    assert clock.pauses == []


def test_a_long_wait_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    requests = Requests(transient_failure, patience(Clock()))
    with caplog.at_level(logging.INFO):
        requests.do("s3://b/a", failing(3))
        assert not caplog.messages  # 0.7 s are not worth a line
        requests.do("s3://b/a", failing(9))
    assert caplog.messages == [
        "waiting for storage: s3://b/a: cannot be reached; trying again for at most 178 s"
        " (set DEGLU_STORAGE_PATIENCE_S to change this)",
        "storage answers again: s3://b/a",
    ]


def test_a_server_that_accepts_and_never_answers_is_reported_before_its_time_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, requests = set(threading.enumerate()), Requests(transient_failure)
    requests._unanswered._silent_s = 0.06
    assert requests.do("s3://test/quick", lambda: 1) == 1
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_connection(silent.getsockname()) as client:
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            requests.do("s3://test/key", lambda: client.recv(1))
    (line,) = caplog.messages
    assert line.startswith("waiting for storage: s3://test/key: no answer for 0 s; see that the address is right")
    time.sleep(0.1)
    assert set(threading.enumerate()) <= before


def test_slow_down_halves_once_a_moment_and_wins_back_one_a_round() -> None:
    clock = Clock()
    requests = Requests(transient_failure, patience(clock), at_once=16)
    requests.slots.slow_down(1.0)
    requests.slots.slow_down(1.0)  # told in the same moment
    assert requests.slots.limit == 8
    clock.now = 1.0
    requests.slots.slow_down(1.0)
    assert requests.slots.limit == 4
    for _ in range(5):
        requests.slots.speed_up()
    assert requests.slots.limit == 5
    for _ in range(1_000):
        requests.slots.speed_up()
    assert requests.slots.limit == 16


def test_after_a_slow_down_every_thread_waits() -> None:
    clock = Clock()
    requests = Requests(transient_failure, patience(clock))
    requests.slots.slow_down(5.0)
    requests.do("s3://b/another", failing(0))
    assert clock.pauses == [5.0]


def test_slow_downs_never_close_the_last_slot() -> None:
    clock = Clock()
    requests = Requests(transient_failure, patience(clock))
    assert requests.do("s3://b/a", failing(9, BlockingIOError)) == "done"
    assert requests.slots.limit >= 1


def test_never_more_than_the_limit_at_once() -> None:
    requests = Requests(transient_failure, at_once=3)
    under_way, most = 0, 0
    lock, full = threading.Lock(), threading.Barrier(3)

    def act() -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        full.wait(10)
        with lock:
            under_way -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: requests.do(f"s3://b/{number}", act), range(30)))
    assert most == 3


def test_each_keeps_the_order() -> None:
    assert each(lambda number: number * number, range(50), at_once=4) == [number * number for number in range(50)]


def test_when_one_fails_for_good_the_others_wait_no_longer() -> None:
    requests = Requests(transient_failure, Patience(longest_pause_s=0.05))
    waiting = threading.Event()

    def act(number: int) -> None:
        if number == 0:
            waiting.wait(10)
            raise PermissionError
        waiting.set()
        raise ConnectionError

    begun = time.monotonic()
    with pytest.raises(PermissionError):
        each(lambda number: requests.do("s3://b/a", partial(act, number)), range(100), at_once=4)
    assert time.monotonic() - begun < 60  # of a patience of three minutes


def test_patience_is_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Patience.of_environment().total_s == 180
    monkeypatch.setenv("DEGLU_STORAGE_PATIENCE_S", "7.5")
    assert Patience.of_environment().total_s == 7.5
    for wrong in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv("DEGLU_STORAGE_PATIENCE_S", wrong)
        with pytest.raises(SpecError, match="give a number of seconds"):
            Patience.of_environment()
