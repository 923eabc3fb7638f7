"""Every peer of faiss, at its dearest setting, finds what exact search finds."""

import numpy as np
import pytest

from evaluate.bench.index.contender import Family
from evaluate.bench.index.measure import Truth
from evaluate.bench.index.peers.flat import FAMILIES, Flat, ListsOfCodes, Naive
from evaluate.bench.index.vectors import Vectors


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_dearest_setting_is_nearly_exact(clustered: Vectors, family: Family) -> None:
    truth = Truth.of(clustered.rows, clustered.calibration)
    peer = family.variants[0]()
    peer.build(clustered.rows)
    ladders = peer.ladders()
    dearest = truth.recall(peer.search(truth.queries, 10, ladders[-1][-1])).mean()
    cheapest = truth.recall(peer.search(truth.queries, 10, ladders[0][0])).mean()
    assert dearest > 0.99
    assert cheapest <= dearest


@pytest.mark.slow
def test_one_query_is_answered_as_in_a_batch(clustered: Vectors) -> None:
    peer = ListsOfCodes(2, 0.25)
    peer.build(clustered.rows)
    batch = peer.search(clustered.report, 10, (4, 40))
    singly = [peer.search(clustered.report[i : i + 1], 10, (4, 40)) for i in range(len(clustered.report))]
    assert np.concatenate(singly).tolist() == batch.tolist()


def test_the_naive_one_ranks_its_shortlist_exactly() -> None:
    """By its first two dims row 0 is nearest; by all of them row 1 is."""
    rows = np.array([[0.8, 0.0, 0.6, 0.0], [0.6, 0.1, 0.0, 0.8], [0.0, 1.0, 0.0, 0.0]], np.float32)
    query = np.array([[0.6, 0.0, 0.0, 0.8]], np.float32)
    peer = Naive(2)
    peer.build(rows)
    assert peer.search(query, 1, 1).tolist() == [[0]]
    assert peer.search(query, 1, 3).tolist() == [[1]]


def test_bytes_of_a_row_are_those_of_its_parts(clustered: Vectors) -> None:
    flat, naive, codes = Flat(), Naive(32), ListsOfCodes(4, 0.25)
    for peer in (flat, naive, codes):
        peer.build(clustered.rows)
    assert (flat.bytes_per_vector(), naive.bytes_per_vector()) == (256, 384)
    # 16 codes of half a byte, 8 of the number; 32 lists and the rotation, shared by 2,000; the row itself
    assert codes.bytes_per_vector() == 8 + 8 + (32 + 64) * 64 * 4 / 2_000 + 256
