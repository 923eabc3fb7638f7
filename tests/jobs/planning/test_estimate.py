"""The estimate's arithmetic, with round numbers."""

import pytest

from embed.amount import Amount
from embed.spec import Rates
from jobs.planning.estimate import (
    LEAST_SPREAD,
    PIPELINE,
    SPREAD_OF_ONE,
    Pace,
    Piece,
    Requests,
    Source,
    estimate,
    requests,
)

LOCAL = Source(assets=3, size_bytes=5 << 20, remote=False, output_remote=False)
# A minute of sound gives 12 rows in 1 + 5 seconds; ten kilobytes of text give 10 rows in half a second.
SPEECH = Pace(amount=60, rows=12, cut_s=1, encode_s=5, row_bytes=100)
TEXT = Pace(amount=10_000, rows=10, cut_s=0.1, encode_s=0.4, row_bytes=1_000)
FREE = Rates()


def test_an_hour_of_speech_and_a_megabyte_of_text() -> None:
    left = Amount(units=7, sound_s=3600, text_bytes=1_000_000)
    found = estimate(left, LOCAL, SPEECH, TEXT, dim=200, workers=2, gpu=False, rates=FREE)
    assert found.rows == 720 + 1000
    assert found.stored_bytes == 720 * (400 + 100) + 1000 * (400 + 1000)
    assert found.expected.worker_s == pytest.approx((360 + 50) / PIPELINE, abs=0.1)
    assert found.expected.wall_s == pytest.approx((360 + 50) / PIPELINE / 2, abs=0.1)
    assert (found.expected.requests, found.expected.price, found.month_price) == (Requests(), 0, 0)


def test_beside_a_gpu_others_cut() -> None:
    found = estimate(Amount(units=6, sound_s=3600), LOCAL, SPEECH, None, dim=200, workers=1, gpu=True, rates=FREE)
    assert found.expected.worker_s == pytest.approx(300 / PIPELINE, abs=0.1)


def test_workers_beyond_the_units_do_not_help_but_cost() -> None:
    rates = Rates(worker_hour=3.6)  # a thousandth a second
    found = estimate(Amount(units=1, sound_s=540), LOCAL, SPEECH, None, dim=2, workers=10, gpu=False, rates=rates)
    assert found.expected.wall_s == found.expected.worker_s == pytest.approx(54 / PIPELINE, abs=0.1)
    assert found.expected.workers_price == pytest.approx(0.54 / PIPELINE, abs=0.01)


def test_the_price_of_requests_and_of_keeping() -> None:
    source = Source(assets=0, size_bytes=0, remote=False, output_remote=True)
    rates = Rates(put_per_1000=1.0, get_per_1000=0.1, gb_month=2.0)
    found = estimate(Amount(units=1000, sound_s=6e6), source, SPEECH, None, dim=200, workers=1, gpu=False, rates=rates)
    assert found.stored_bytes == 1_200_000 * 500
    asked = found.expected.requests
    assert found.expected.requests_price == pytest.approx((asked.put + asked.list) / 1000 + asked.get / 10_000)
    assert found.month_price == pytest.approx(0.6 * 2)


def test_nothing_left_costs_nothing() -> None:
    source = Source(assets=1, size_bytes=0, remote=False, output_remote=True)
    found = estimate(Amount(), source, None, None, dim=200, workers=4, gpu=False, rates=Rates(worker_hour=9))
    assert (found.rows, found.month_price) == (0, 0)
    for end in (found.least, found.expected, found.most):
        assert (end.wall_s, end.price, end.requests) == (0, 0, Requests())


def test_requests_one_by_one() -> None:
    source = Source(assets=1500, size_bytes=(10 << 20) + 1, remote=True, output_remote=False)
    assert requests(10, source, 0, 0) == Requests(put=0, get=3000 + 20 + 11, list=2)
    output = Source(assets=1500, size_bytes=1, remote=False, output_remote=True)
    assert requests(10, output, 65 << 20, 30) == Requests(put=20 + 10 + 2, get=30, list=2 + 1)


def paced(*encode_s: float, unused: int = 1) -> Pace:
    """Of pieces of a minute, each cut in a second."""
    pieces = tuple(Piece(60, 1, one) for one in encode_s)
    return Pace(60 * len(pieces), 12 * len(pieces), len(pieces), sum(encode_s), 100, pieces, unused)


@pytest.mark.parametrize(
    ("pace", "middle", "least", "most"),
    [
        (paced(4, 5, 9), 7, 5, 10),  # the fastest and the slowest piece
        (paced(5, 5, 5), 6, 6 * (1 - LEAST_SPREAD), 6 * (1 + LEAST_SPREAD)),
        (paced(5), 6, 6 * (1 - SPREAD_OF_ONE), 6 * (1 + SPREAD_OF_ONE)),
        (paced(8, 8, unused=4), 5, 3, 9),  # one thread of four: cutting stays, encoding is 1 to 4 times as fast
    ],
    ids=["spread", "alike", "one piece", "busy"],
)
def test_the_interval_of_time_and_price(pace: Pace, middle: float, least: float, most: float) -> None:
    rates = Rates(worker_hour=3600)  # one a second
    found = estimate(Amount(units=9, sound_s=600), LOCAL, pace, None, dim=2, workers=1, gpu=False, rates=rates)
    for end, minute_s in ((found.expected, middle), (found.least, least), (found.most, most)):
        assert end.worker_s == end.wall_s == pytest.approx(10 * minute_s / PIPELINE, abs=0.06)
        assert end.price == pytest.approx(end.worker_s, abs=0.06)
    document = found.document()
    assert document["least"]["price"] == found.least.price < document["price"] < document["most"]["price"]


def test_text_and_speech_widen_the_interval_together() -> None:
    left = Amount(units=9, sound_s=600, text_bytes=10_000)
    found = estimate(left, LOCAL, paced(4, 5, 9), TEXT, dim=2, workers=1, gpu=False, rates=FREE)
    assert found.least.worker_s == pytest.approx((50 + 0.5 * (1 - SPREAD_OF_ONE)) / PIPELINE, abs=0.06)
    assert found.most.worker_s == pytest.approx((100 + 0.5 * (1 + SPREAD_OF_ONE)) / PIPELINE, abs=0.06)
