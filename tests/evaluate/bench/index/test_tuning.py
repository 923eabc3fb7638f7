"""Tuning on a peer whose recall and cost are known beforehand, and on real ones."""

import numpy as np
import pytest

from evaluate.bench.index.contender import Family, Setting
from evaluate.bench.index.measure import Truth
from evaluate.bench.index.peers.flat import Flat, ListsOfCodes, Naive
from evaluate.bench.index.tuning import MODES, Tuner, best_build, failure, reason
from evaluate.bench.index.vectors import Vectors
from index.contracts import IntArray


class Known(Flat):
    """Finds `setting` of every hundred: recall is the setting as a percentage."""

    def ladders(self) -> list[list[Setting]]:
        return [list(range(1, 98))]

    def search(self, queries: np.typing.NDArray[np.float32], k: int, setting: Setting) -> IntArray:
        assert isinstance(setting, int)
        ids = super().search(queries, k, 0).copy()
        ids.reshape(-1)[setting * ids.size // 100 :] = -1
        return ids


def tuner(vectors: Vectors, peer: Flat | ListsOfCodes | Naive) -> Tuner:
    peer.build(vectors.rows)
    return Tuner(peer, Truth.of(vectors.rows, vectors.calibration))


def test_the_first_that_reaches_the_recall_is_found_by_halves(clustered: Vectors) -> None:
    known = tuner(clustered, Known())
    assert known.cheapest(0.9, "batch") == 90
    assert len(known.trials) <= 7


def test_out_of_reach_is_told_with_the_best_that_was_seen(clustered: Vectors) -> None:
    known = tuner(clustered, Known())
    assert known.cheapest(0.99, "single") is None
    assert reason(known, 0.99) == "misses recall@10 0.99: 0.9700 at best, at 97"


def test_of_two_dimensions_the_setting_reaches_the_recall(clustered: Vectors) -> None:
    codes = tuner(clustered, ListsOfCodes(2, 0.25))
    for mode in MODES:
        setting = codes.cheapest(0.95, mode)
        assert setting is not None
        assert codes.trials[setting].recall >= 0.95
    assert len(codes.trials) < sum(map(len, codes.peer.ladders())) / 2


@pytest.mark.slow
def test_a_curve_rises_in_recall_and_in_cost(clustered: Vectors) -> None:
    codes = tuner(clustered, ListsOfCodes(2, 0.25))
    for recall in (0.9, 0.95, 0.99):
        codes.cheapest(recall, "batch")
    tried = [codes.trials[setting] for setting in codes.front()]
    assert len(tried) > 1
    assert [one.recall for one in tried] == sorted(one.recall for one in tried)
    assert [one.seconds for one in tried] == sorted(one.seconds for one in tried)
    assert tried[0].recall >= 0.9


def test_the_build_that_reaches_more_is_chosen(clustered: Vectors) -> None:
    """The known one misses 0.99, whatever it costs."""
    family = Family("two", "faiss", (Known, Flat))
    assert best_build(family, clustered.rows, clustered.calibration).name == "exact flat"
    assert type(best_build(family, clustered.rows, clustered.calibration)) is Flat


def test_an_error_is_told_in_one_line() -> None:
    assert failure(RuntimeError("first\n  second")) == "RuntimeError: first second"
