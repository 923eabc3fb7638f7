"""What widths keep, and health, on spaces whose measures are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from embed.encoder import FloatArray
from embed.errors import InputError
from evaluate.measures.health import health
from evaluate.measures.widths import effective_rank, widths_of


def unit(vectors: NDArray[np.floating]) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_the_rank_of_a_line_and_of_a_sphere() -> None:
    rng = np.random.default_rng(0)
    line = rng.normal(size=(500, 1)) * np.ones((1, 8))
    assert effective_rank(line.astype(np.float32)) == pytest.approx(1, abs=1e-6)
    assert effective_rank(rng.normal(size=(5000, 8)).astype(np.float32)) == pytest.approx(8, rel=0.01)
    assert effective_rank(np.ones((5, 3), np.float32)) == 1.0


def test_a_prefix_with_all_the_variance_keeps_all_neighbours() -> None:
    rng = np.random.default_rng(1)
    vectors = unit(np.hstack([rng.normal(size=(300, 8)), np.zeros((300, 8))]))
    found = widths_of(vectors[:40], vectors, [16, 8, 4])
    assert found[16].overlap == found[8].overlap == 1.0
    assert found[8].energy == pytest.approx(1.0)
    assert found[8].bytes == 16
    assert 0.3 < found[4].energy < 0.7
    assert 0.05 < found[4].overlap < 0.8
    with pytest.raises(InputError, match="1 documents have no spectrum"):
        widths_of(vectors[:1], vectors[:1], [16])


def test_health_of_a_sphere_of_a_cone_and_of_a_hub() -> None:
    rng = np.random.default_rng(2)
    sphere = unit(rng.normal(size=(2000, 256)))
    good = health(sphere[:500], sphere[500:], 256)
    assert good.gap < 0.2
    assert abs(good.anisotropy) < 0.01
    assert good.advice == [] or good.hubness > 2
    cone = unit(sphere + 2 * np.eye(256, dtype=np.float32)[0])
    assert health(cone[:500], cone[500:], 256).anisotropy > 0.5
    apart = health(unit(sphere[:500] + 2 * np.eye(256)[1]), cone[500:], 256)
    assert apart.gap > 0.5
    assert len(apart.advice) >= 2
    axes = np.eye(64, dtype=np.float32)
    hub = np.vstack([axes, unit(axes.sum(axis=0, keepdims=True))])
    assert health(axes, hub, 64).never < 1
    assert health(np.repeat(axes[:1], 50, axis=0), np.vstack([axes, axes]), 64).hubness > 2
