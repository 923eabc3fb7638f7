import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from embed.errors import InputError
from evaluate.report.plots import ndcg_by_dim_plot
from evaluate.results import Interval

SERIES = {
    "late-fusion": {
        dim: Interval(mean, mean - 0.06, mean + 0.06) for dim, mean in [(64, 0.3), (128, 0.4), (384, 0.45)]
    },
    "ridge": {dim: Interval(mean, mean - 0.05, mean + 0.05) for dim, mean in [(64, 0.1), (128, 0.2), (384, 0.25)]},
}


@pytest.mark.slow
def test_writes_a_picture_with_a_colour_for_each_line(tmp_path: Path) -> None:
    path = tmp_path / "ndcg.png"
    ndcg_by_dim_plot(SERIES, 0.01, path, "Spoken French finds English text")
    height, width, _ = imread(path).shape
    assert (width, height) == (1200, 736)
    colours = {tuple((pixel[:3] * 255).round().astype(int)) for pixel in imread(path).reshape(-1, 4)[::3]}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours


def test_leaves_nothing_global_behind(tmp_path: Path) -> None:
    before = "matplotlib.pyplot" in sys.modules
    ndcg_by_dim_plot(SERIES, 0.01, tmp_path / "ndcg.png", "")
    assert ("matplotlib.pyplot" in sys.modules) is before


def test_one_dim_of_one_system_is_enough(tmp_path: Path) -> None:
    ndcg_by_dim_plot({"all found": {384: Interval(1.0, 1.0, 1.0)}}, 0.0, tmp_path / "one.png", "one")
    assert (tmp_path / "one.png").stat().st_size > 0


def test_nothing_to_plot(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to plot"):
        ndcg_by_dim_plot({"ridge": {}}, 0.0, tmp_path / "none.png", "none")
