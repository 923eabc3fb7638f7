"""Every graph and every kind of RaBitQ that is installed, at its dearest setting, finds what exact search finds."""

import numpy as np
import pytest

from evaluate.bench.index.contender import Family
from evaluate.bench.index.measure import Truth
from evaluate.bench.index.peers.graphs import FAMILIES
from evaluate.bench.index.peers.rabitq import FAMILIES as RABITQ
from evaluate.bench.index.vectors import Vectors


@pytest.mark.parametrize("family", [*FAMILIES, *RABITQ], ids=lambda family: family.name)
def test_a_deep_search_is_nearly_exact(clustered: Vectors, family: Family) -> None:
    if family.missing:
        pytest.skip(family.missing)
    truth, peer = Truth.of(clustered.rows, clustered.calibration), family.variants[0]()
    peer.build(clustered.rows)
    peer.use_threads(1)
    ladder = peer.ladders()[-1]
    deep, shallow = ladder[-1], ladder[0]
    recall = truth.recall(peer.search(truth.queries, 10, deep)).mean()
    assert recall > (0.8 if family.name == "usearch i8" else 0.99)
    assert truth.recall(peer.search(truth.queries, 10, shallow)).mean() <= recall
    single = peer.search(truth.queries[:1], 10, deep)
    assert single.shape == (1, 10)
    assert np.isin(single, peer.search(truth.queries, 10, deep)[:1]).all()
    assert 64 < peer.bytes_per_vector() < 1_000
