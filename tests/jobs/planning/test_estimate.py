"""The estimate's arithmetic, with round numbers."""

import pytest

from embed.amount import Amount
from embed.spec import Rates
from jobs.planning.estimate import PIPELINE, Pace, Requests, Source, estimate, requests

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
    assert found.worker_s == pytest.approx((360 + 50) / PIPELINE, abs=0.1)
    assert found.wall_s == pytest.approx((360 + 50) / PIPELINE / 2, abs=0.1)
    assert (found.requests, found.price, found.month_price) == (Requests(), 0, 0)


def test_beside_a_gpu_others_cut() -> None:
    found = estimate(Amount(units=6, sound_s=3600), LOCAL, SPEECH, None, dim=200, workers=1, gpu=True, rates=FREE)
    assert found.worker_s == pytest.approx(300 / PIPELINE, abs=0.1)


def test_workers_beyond_the_units_do_not_help_but_cost() -> None:
    rates = Rates(worker_hour=3.6)  # a thousandth a second
    found = estimate(Amount(units=1, sound_s=540), LOCAL, SPEECH, None, dim=2, workers=10, gpu=False, rates=rates)
    assert found.wall_s == found.worker_s == pytest.approx(54 / PIPELINE, abs=0.1)
    assert found.workers_price == pytest.approx(0.54 / PIPELINE, abs=0.01)


def test_the_price_of_requests_and_of_keeping() -> None:
    source = Source(assets=0, size_bytes=0, remote=False, output_remote=True)
    rates = Rates(put_per_1000=1.0, get_per_1000=0.1, gb_month=2.0)
    found = estimate(Amount(units=1000, sound_s=6e6), source, SPEECH, None, dim=200, workers=1, gpu=False, rates=rates)
    assert found.stored_bytes == 1_200_000 * 500
    asked = found.requests
    assert found.requests_price == pytest.approx((asked.put + asked.list) / 1000 + asked.get / 10_000)
    assert found.month_price == pytest.approx(0.6 * 2)


def test_nothing_left_costs_nothing() -> None:
    source = Source(assets=1, size_bytes=0, remote=False, output_remote=True)
    found = estimate(Amount(), source, None, None, dim=200, workers=4, gpu=False, rates=Rates(worker_hour=9))
    assert (found.rows, found.wall_s, found.price, found.requests) == (0, 0, 0, Requests())


def test_requests_one_by_one() -> None:
    source = Source(assets=1500, size_bytes=(10 << 20) + 1, remote=True, output_remote=False)
    assert requests(10, source, 0, 0) == Requests(put=0, get=3000 + 20 + 11, list=2)
    output = Source(assets=1500, size_bytes=1, remote=False, output_remote=True)
    assert requests(10, output, 65 << 20, 30) == Requests(put=20 + 10 + 2, get=30, list=2 + 1)
