"""The picture of a training: what it reads out of the numbers, and that it is drawn."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from jobs.training.training_curves import dev_curves, smoothed, training_curves
from train.fit.metrics_log import Row

STEPS: list[Row] = [(step, step // 4, "loss/total", 8.0 / step) for step in range(1, 9)]
SCORED: list[Row] = [
    (4, 0, "dev/score", 0.3),
    (4, 0, "dev/speech_to_text@8", 0.1),
    (4, 0, "dev/speech_to_text@32", 0.2),
    (4, 0, "dev/text_to_speech@32", 0.4),
    (8, 1, "dev/speech_to_text@32", 0.3),
]


def test_a_curve_for_each_dim_of_each_direction() -> None:
    found = dev_curves([*STEPS, *SCORED])
    assert found == {"speech_to_text": {32: {1: 0.2, 2: 0.3}, 8: {1: 0.1}}, "text_to_speech": {32: {1: 0.4}}}
    assert list(found["speech_to_text"]) == [32, 8]


def test_a_mean_over_the_steps_before() -> None:
    assert smoothed([4.0, 2.0, 0.0, 2.0], most=2) == [4.0, 3.0, 1.0, 1.0]
    assert smoothed([]) == []


@pytest.mark.slow
def test_a_panel_for_the_loss_and_for_each_direction(tmp_path: Path) -> None:
    widths = []
    for rows in (STEPS, [*STEPS, *SCORED[:3]], [*STEPS, *SCORED]):
        training_curves(rows, tmp_path / "picture.png")
        picture = imread(tmp_path / "picture.png")
        widths.append(picture.shape[1])
        colours = {tuple(one) for one in np.unique((picture.reshape(-1, 4)[:, :3] * 255).round().astype(int), axis=0)}
        # The loss and the widest dim; the next dim where it was scored.
        assert {(0x00, 0x72, 0xB2)} <= colours
        assert ((0xD5, 0x5E, 0x00) in colours) == (len(rows) > len(STEPS))
    assert widths == pytest.approx([598, 2 * 598, 3 * 598], abs=2)


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    training_curves([(3, 0, "speed/epoch_s", 1.0)], tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())
