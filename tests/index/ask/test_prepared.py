"""Prepared queries: the compiled loop and numpy do the same, and name the query that is wrong."""

import numpy as np
import pytest

from embed.errors import InputError
from index.ask.prepared import prepared_queries


@pytest.mark.parametrize("compiled", [True, False])
def test_queries_are_left_as_they_are(compiled: bool) -> None:
    given = np.array([[3.0, 4.0]], np.float32)
    given.flags.writeable = False
    np.testing.assert_allclose(prepared_queries(given, 2, 1, compiled), [[1, 0]])
    assert given.tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("row", [[np.nan, 1, 0], [1, 0, np.inf], [0, 0, 3]], ids=["nan", "infinite", "zero"])
def test_both_ways_name_the_query_that_is_wrong(compiled: bool, row: list[float]) -> None:
    """The loops of a coded index, and numpy for one so small that nothing is compiled."""
    with pytest.raises(InputError, match="query 1 is zero or holds NaN or infinite values"):
        prepared_queries(np.array([[1.0, 2, 3], row], np.float32), 3, 2, compiled)


def test_both_ways_give_the_same_queries() -> None:
    given = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    for dim in (16, 4):
        np.testing.assert_allclose(prepared_queries(given, 16, dim, False), prepared_queries(given, 16, dim), atol=1e-7)
