"""The router: taught by hand-made answers, it sends queries where these lie."""

from typing import Any

import numpy as np

from index.rungs.router import train_router

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]
MIDDLES = np.array([EAST, NORTH], np.float32)


def _near(direction: Any, seed: int, count: int = 64) -> Any:
    rows = np.array(direction) + 0.1 * np.random.default_rng(seed).standard_normal((count, 2))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _all_in(number: int, count: int = 64) -> Any:
    shares = np.zeros((count, 2), np.float32)
    shares[:, number] = 1
    return shares


def _shares(router: Any, queries: Any) -> Any:
    """Of the answers that the router expects in each list [q, L]."""
    grown = np.exp(queries @ router[:, :-1].T + router[:, -1])
    return grown / grown.sum(axis=1, keepdims=True)


def test_answers_where_the_middles_are_teach_nothing_new() -> None:
    queries = np.vstack([_near(EAST, 1), _near(NORTH, 2)])
    router = train_router(MIDDLES, queries, np.vstack([_all_in(0), _all_in(1)]))
    expected = _shares(router, np.vstack([_near(EAST, 3), _near(NORTH, 4)]))
    assert (expected.argmax(axis=1) == np.repeat([0, 1], 64)).all()


def test_it_learns_that_answers_lie_in_the_other_list() -> None:
    """Queries from east-north-east are nearer to the middle in the east, and find their answers in the north."""
    between = [0.8, 0.6]
    queries = np.vstack([_near([1.0, -0.2], 1), _near(between, 2)])
    router = train_router(MIDDLES, queries, np.vstack([_all_in(0), _all_in(1)]))
    fresh = np.vstack([_near([1.0, -0.2], 3), _near(between, 4)])
    wanted = np.repeat([0, 1], 64)
    by_middle, by_router = (
        np.mean(scores.argmax(axis=1) == wanted) for scores in (fresh @ MIDDLES.T, _shares(router, fresh))
    )
    assert by_middle < 0.6
    assert by_router > 0.95


def test_it_learns_in_which_parts_answers_are_spread() -> None:
    taught = np.tile(np.array([[0.7, 0.3]], np.float32), (64, 1))
    router = train_router(MIDDLES, _near([1.0, 1.0], 1), taught)
    np.testing.assert_allclose(_shares(router, _near([1.0, 1.0], 2)).mean(axis=0), [0.7, 0.3], atol=0.05)


def test_the_same_answers_give_the_same_router() -> None:
    given = MIDDLES, _near(EAST, 1), _all_in(1)
    one, two = train_router(*given), train_router(*given)
    assert one.shape == (2, 3)
    assert one.dtype == np.float32
    assert one.tobytes() == two.tobytes()
    assert MIDDLES.tolist() == [EAST, NORTH]  # not written to
