import numpy as np
import pytest

from evaluate.bench.index.measure import Truth
from evaluate.bench.index.peers.scann import FAMILIES, _padded
from evaluate.bench.index.vectors import Vectors


def test_all_leaves_are_nearly_exact_in_both_ways_of_asking(clustered: Vectors) -> None:
    (family,) = FAMILIES
    if family.missing:
        pytest.skip(family.missing)
    truth, peer = Truth.of(clustered.rows, clustered.calibration), family.variants[1]()
    peer.build(clustered.rows)
    deep = peer.ladders()[-1][-1]
    assert truth.recall(peer.search(truth.queries, 10, deep)).mean() > 0.99
    assert truth.recall(np.concatenate([peer.search(one[None], 10, deep) for one in truth.queries])).mean() > 0.99


def test_too_few_found_are_filled_with_none() -> None:
    assert _padded(np.array([[4, 2]], np.uint32), 3).tolist() == [[4, 2, -1]]
