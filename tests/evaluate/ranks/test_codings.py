"""Codings of a small task: bytes, losses and what they are fitted on."""

import numpy as np

from embed.encoder import truncate
from evaluate.ranks.codings import best_of, codings_of, default_sizes, other_rows
from evaluate.results import Coding, Interval


def coding(name: str, size: int, mean: float) -> Coding:
    return Coding(name, size, Interval(mean, mean, mean), Interval(0, 0, 0), 1.0)


def test_sizes_are_halves_of_the_full_vector() -> None:
    assert default_sizes(384) == (768, 384, 192, 96, 48, 24, 12)
    assert default_sizes(16) == (32, 16, 8, 4, 2)


def test_codes_are_fitted_on_documents_that_answer_nothing() -> None:
    documents = np.eye(5, dtype=np.float32)
    assert other_rows(documents, [{0, 3}, {3}]).argmax(axis=1).tolist() == [1, 2, 4]
    assert len(other_rows(documents, np.arange(5))) == 0


def test_the_full_size_loses_nothing_and_the_same_seed_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    documents = truncate(rng.normal(size=(300, 32)).astype(np.float32), 32)
    queries = truncate(documents[:60] + 0.1 * rng.normal(size=(60, 32)).astype(np.float32), 32)
    found = codings_of(queries, documents, np.arange(60), documents[60:], draws=100)
    assert found == codings_of(queries, documents, np.arange(60), documents[60:], draws=100)
    by_place = {(one.code, one.bytes): one for one in found}
    for name in ("prefix", "svd", "random", "rotated"):
        assert by_place[name, 64].loss.mean == 0
        assert by_place[name, 64].overlap > 0.98
        assert by_place[name, 4].loss.high < 0
    assert by_place["int8", 32].loss.mean == 0
    assert by_place["binary", 4].bytes == 4
    assert codings_of(queries, documents, np.arange(60), documents[:31]) == ()  # too few to fit on


def test_the_best_for_their_bytes() -> None:
    worse, small, same = coding("prefix", 8, 0.2), coding("binary", 4, 0.3), coding("int8", 8, 0.3)
    best = coding("pca", 16, 0.5)
    assert best_of([best, worse, same, small]) == [small, best]
