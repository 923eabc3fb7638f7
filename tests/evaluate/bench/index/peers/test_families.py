from evaluate.bench.index.peers.families import FAMILIES, PACKAGES
from evaluate.bench.index.plot import STYLES


def test_every_peer_is_there_once_and_can_be_drawn() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    assert set(names) <= set(STYLES)
    assert {"exact flat", "hnswlib", "ScaNN"} <= set(names)
    assert {"hnswlib", "scann", "usearch", "scalable-vs"} <= set(PACKAGES)
