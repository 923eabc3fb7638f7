"""Kernels of blending: the compiled loops give what numpy gives."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.encoder import truncate
from index.calibration import kernels
from index.calibration.blend import Background
from index.contracts import Hits
from index.neighbours import join
from index.parts.artifact import TopScores
from tests.index import shelves


@pytest.mark.parametrize("dim", [32, 8])
def test_compiled_scores_are_those_of_numpy(dim: int, nested_rows: Any) -> None:
    background, usual = Background([shelves.segment(nested_rows(300, 32, 1))]), TopScores(mean=2.5, std=0.7)
    queries = np.pad(truncate(nested_rows(3, 32, 2), dim), ((0, 0), (0, 32 - dim)))
    scores = np.array([[0.9, 0.5, -np.inf]] * 3, np.float32)
    slow, fast = (background.calibrate(queries, scores, dim, usual, compiled) for compiled in (False, True))
    np.testing.assert_allclose(fast, slow, rtol=1e-4)


HIT = st.tuples(st.integers(-1, 20), st.sampled_from([1.0, 0.5, 0.25, -np.inf]))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)  # the first example compiles
@given(st.lists(st.tuples(HIT, HIT, HIT), min_size=1, max_size=8), st.integers(1, 9))
def test_merged_hits_are_those_of_join(columns: list[Any], k: int) -> None:
    pairs = np.array(columns).transpose(1, 0, 2)
    ids, scores = pairs[..., 0].astype(np.int64), pairs[..., 1].astype(np.float32)
    expected = join([Hits(ids, scores)], k)
    found = Hits(np.empty((3, k), np.int64), np.empty((3, k), np.float32))
    kernels.merge(ids, scores, found.ids, found.scores)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)
