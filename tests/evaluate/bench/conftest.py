"""Vectors that all tests of the index bench share."""

import numpy as np
import pytest

from embed.encoder import truncate
from evaluate.bench.index.vectors import Vectors


@pytest.fixture(scope="session")
def clustered() -> Vectors:
    """2,000 unit rows of 64 dims around 40 centres, and 100 queries of either kind beside them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 64))
    near = centres[rng.integers(0, 40, 2_200)] + rng.standard_normal((2_200, 64))
    unit = truncate((near / np.sqrt(1 + np.arange(64) / 8)).astype(np.float32), 64)
    return Vectors("transformer", unit[:2_000], unit[2_000:2_100], unit[2_100:], (64, 32))
