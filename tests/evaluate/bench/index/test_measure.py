"""The ruler on vectors whose neighbours are plain to see."""

import numpy as np
import pytest

from evaluate.bench.index.measure import Truth, cpu_seconds, kept, points, walls
from evaluate.bench.index.peers.flat import Flat, ListsOfCodes
from evaluate.bench.index.vectors import Vectors

AXES = np.eye(4, dtype=np.float32)


def test_recall_is_the_share_that_is_as_near_as_the_last_true_one() -> None:
    truth = Truth.of(AXES, np.array([[0.8, 0.6, 0, 0], [0, 0, 0.6, 0.8]], np.float32), k=2)
    assert np.allclose(truth.least, 0.6)
    assert truth.recall(np.array([[1, 0], [3, 0]])).tolist() == [1.0, 0.5]


def test_equals_are_all_right_and_empty_places_are_wrong() -> None:
    """To axis 0 the three others are equally far."""
    truth = Truth.of(AXES, AXES[:1], k=2)
    assert [truth.recall(np.array([[0, other]])).tolist() for other in (1, 2, 3, -1)] == [[1], [1], [1], [0.5]]


def test_no_more_is_asked_for_than_there_is() -> None:
    assert Truth.of(AXES, AXES, k=10).k == 4


@pytest.mark.slow
def test_points_tell_recall_by_regime_and_both_speeds(clustered: Vectors) -> None:
    truth, codes, flat = Truth.of(clustered.rows, clustered.report), ListsOfCodes(2, 0.25), Flat()
    for peer in (codes, flat):
        peer.build(clustered.rows)
    rough, exact = points([(codes, (1, 15)), (flat, 0)], truth, rounds=1)
    assert (exact.contender, exact.setting) == ("exact flat", "0")
    assert exact.recall == exact.recall_passages == exact.recall_spans == 1
    assert np.isclose(rough.recall, (rough.recall_passages + rough.recall_spans) / 2)
    assert 0.1 < rough.recall < 0.99
    assert min(rough.batch, rough.single, exact.batch, exact.single) > 0


def test_the_clock_on_the_wall_with_two_threads_and_one_again(clustered: Vectors) -> None:
    told: list[int] = []

    class Told(Flat):
        def use_threads(self, count: int) -> None:
            told.append(count)

    flat = Told()
    flat.build(clustered.rows)
    assert walls({"flat": (flat, 0)}, Truth.of(clustered.rows, clustered.report), 2, rounds=1)["flat"] > 0
    assert told == [2, 1]


def test_cpu_seconds_are_those_of_the_act() -> None:
    assert 0 < cpu_seconds(lambda: sum(range(300_000))) < 5


def test_a_promise_is_kept_by_as_many_draws_as_reach_it() -> None:
    assert kept(np.ones(50), 0.999) == 1
    assert kept(np.zeros(50), 0.95) == 0
    assert 0.4 < kept(np.array([0.0, 1.0] * 200), 0.5) < 0.6
