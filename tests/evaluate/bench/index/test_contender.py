from evaluate.bench.index.contender import Family, steps
from evaluate.bench.index.peers.flat import Flat


def test_steps_are_fine_and_end_at_the_last() -> None:
    assert steps(1, 5) == [1, 2, 3, 4, 5]
    assert steps(100, 125) == [100, 110, 121, 125]
    assert steps(10, 1000, 10.0) == [10, 100, 1000]
    assert steps(15, 4) == [4]


def test_a_family_says_why_it_is_missing() -> None:
    assert Family("exact", "faiss", (Flat,)).missing is None
    assert Family("other", "no_such_package", ()).missing == "no_such_package is not installed"
    assert Family("exact", "faiss", (Flat,), "another processor").missing == "another processor"
