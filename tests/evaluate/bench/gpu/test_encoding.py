"""The encoding and training parts of the GPU bench, on the CPU with tiny sizes."""

import pytest

from evaluate.bench.gpu.encoding import encode_rows, halving_rows
from evaluate.bench.gpu.sizes import TINY
from evaluate.bench.gpu.training import train_rows


@pytest.mark.slow
def test_rates_and_shares_of_a_tiny_model() -> None:
    rows = list(encode_rows(TINY))
    assert [row.unit for row in rows] == ["tokens/s", "Tflop/s", "audio-s/s", "Tflop/s"]
    assert all(row.ours > 0 for row in rows)
    assert [row.theirs for row in rows if row.goal] == [350_000, 6_000]


@pytest.mark.slow
def test_a_pass_is_halved_until_it_fits() -> None:
    (row,) = halving_rows(TINY)
    assert row.met
    assert "halved 0 times" not in row.measure


@pytest.mark.slow
def test_steps_in_a_process_group() -> None:
    speed, share = train_rows(TINY)
    assert (speed.unit, share.unit, share.goal) == ("steps/s", "Tflop/s", 0.4)
    assert speed.ours > 0
    assert share.ours > 0
