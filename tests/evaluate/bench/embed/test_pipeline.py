"""The clock of the pipeline bench; the bench itself takes minutes."""

import os

import pytest

from embed.storage.store import exists, write_bytes
from evaluate.bench.embed.pipeline import Clock, on_s3


def test_the_pace_begins_when_all_workers_have_committed() -> None:
    clock = Clock()
    clock.commits = [(100.0, 600.0), (101.0, 600.0), (110.0, 600.0), (121.0, 600.0)]
    assert clock.pace(1) == pytest.approx(1800 / 21)
    assert clock.pace(2) == pytest.approx(1200 / 20)


def test_a_clock_hears_of_sound_or_text() -> None:
    clock = Clock()
    clock.advance(1, sound_s=9.0)
    clock.advance(1, text_bytes=500)
    assert [amount for _, amount in clock.commits] == [9.0, 500]


@pytest.mark.s3
def test_the_server_and_its_address_are_there_only_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    with on_s3() as place:
        assert "AWS_PROFILE" not in os.environ
        write_bytes(f"{place}/a", b"1")
        assert exists(f"{place}/a")
    assert (os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_PROFILE"]) == ("http://elsewhere", "mine")
