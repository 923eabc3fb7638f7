"""The weight of the transcript: what dev likes best, and the smaller of equals."""

import numpy as np
import pytest

from train.strategies.hybrid_weight import best_weight

EAST, NORTH = np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)[1:]


@pytest.mark.parametrize(("goal", "best"), [((1, 0), 0.0), ((1, 1), 1.0), ((0, 1), 4.0)])
def test_the_weight_that_comes_nearest_wins(goal: tuple[float, float], best: float) -> None:
    """Speech points east, its words north: the goal says how much of each is right."""
    right = np.asarray(goal, np.float32) / np.linalg.norm(goal)
    weight, scores = best_weight(EAST, NORTH, (4.0, 0.0, 1.0), lambda found: float((found @ right)[0]))
    assert weight == best
    assert list(scores) == [0.0, 1.0, 4.0]


def test_of_equals_the_smaller_wins() -> None:
    assert best_weight(EAST, NORTH, (2.0, 0.5), lambda _: 1.0) == (0.5, {0.5: 1.0, 2.0: 1.0})
