"""The bench on a few made-up rows: they are exported, and memory is measured."""

from pathlib import Path

import pytest

from embed.dataset import open_dataset
from evaluate.bench.exports import _rows, made_up


@pytest.mark.slow
def test_made_up_rows_are_exported_and_measured(tmp_path: Path) -> None:
    datasets = {size: made_up(str(tmp_path / f"vectors-{size}"), size) for size in (2, 20)}
    assert [open_dataset(url).info.rows for url in datasets.values()] == [2, 20]
    rate, peak, growth = _rows("npy", datasets, tmp_path)
    assert rate.ours > 0
    assert 50 < peak.ours < 800
    assert 0.5 < growth.ours < 1.5
