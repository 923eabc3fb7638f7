"""The compiled loops: answers to be seen by eye, and equal to plain numpy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.encoder import truncate
from index.neighbours import top
from index.rungs import kernels
from tests.index.shelves import in_bytes

SEEDS = st.integers(0, 2**32 - 1)
quick = settings(deadline=None, max_examples=40)  # the first call compiles


def _floats(values: Any) -> Any:
    return np.asarray(values, np.float32)


def _places(q: int, k: int) -> tuple[Any, Any]:
    return np.empty((q, k), np.int64), np.empty((q, k), np.float32)


# prepare


def test_prepare_cuts_and_renormalises() -> None:
    out = np.full((1, 3), 9, np.float32)
    assert kernels.prepare(_floats([[3, 4, 12]]), 2, out) == -1
    np.testing.assert_allclose(out, [[0.6, 0.8, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("bad", "dim"),
    [([0, 0, 0], 3), ([0, 0, 5], 2), ([np.nan, 1, 1], 3), ([1, 1, np.nan], 2), ([1, -np.inf, 1], 3)],
    ids=["zero", "zero prefix", "nan", "nan behind the prefix", "infinite"],
)
def test_prepare_names_the_first_bad_row(bad: Any, dim: int) -> None:
    queries = _floats([[1, 0, 0], bad, bad])
    assert kernels.prepare(queries, dim, np.empty_like(queries)) == 1


@quick
@given(SEEDS, st.integers(0, 5), st.integers(1, 40))
def test_prepare_is_truncate(seed: int, q: int, dim: int) -> None:
    queries = np.random.default_rng(seed).standard_normal((q, 40)).astype(np.float32)
    out = np.empty_like(queries)
    assert kernels.prepare(queries, dim, out) == -1
    np.testing.assert_allclose(out[:, :dim], truncate(queries, dim), rtol=1e-5, atol=1e-7)
    assert not out[:, dim:].any()


# route


def _routed(
    scores: Any, bias: Any, sizes: Any, depth: float, queries: Any, middles: Any, kept: Any = None, slope: float = 0.0
) -> tuple[Any, Any]:
    logs = np.zeros(len(bias), np.float32) if kept is None else _floats(kept)
    lists, near = np.empty(scores.shape, np.int64), np.empty(scores.shape, np.float32)
    tables = _floats(bias), logs, np.log(_floats(sizes)), depth, slope, queries, middles
    width = kernels.route(_floats(scores), *tables, lists, near)
    assert (lists[:, width:] == -1).all()
    assert (near[lists == -1] == np.broadcast_to(near[:, :1], near.shape)[lists == -1]).all()
    return lists[:, :width], near[:, :width]


EAST_NORTH_WEST = _floats([[1, 0], [0, 1], [-1, 0]])
SHARES = np.log([[0.7, 0.2, 0.1]])  # of the answers, in three lists


@pytest.mark.parametrize(
    ("sizes", "least", "lists"),
    [
        ([1, 1, 1], 0.15, [0, 1]),
        ([1, 1, 1], 0.05, [0, 1, 2]),
        ([1, 10, 1], 0.05, [0, 2]),  # ten rows to read for a fifth of the answers
        ([10, 1, 1], 0.9, [0]),  # the likeliest always is
    ],
    ids=["share", "deeper", "per row", "likeliest"],
)
def test_a_list_is_read_where_its_share_per_row_is_worth_it(sizes: Any, least: float, lists: Any) -> None:
    found, near = _routed(SHARES, [0] * 3, sizes, -np.log(least), _floats([[0.6, 0.8]]), EAST_NORTH_WEST)
    assert found.tolist() == [lists]
    np.testing.assert_allclose(near[0], (EAST_NORTH_WEST @ [0.6, 0.8])[lists], rtol=1e-6)


def test_under_a_filter_lists_count_by_the_rows_that_they_keep() -> None:
    """East is the likeliest, and nothing of it is kept; fewer answers that may be hits make the search deeper."""
    scores, bias, sizes, query = _floats([[9.0, 1.0, 0.0]]), [0.0, 0.0, 0.0], [1, 1, 1], _floats([[1, 0]])
    kept = [-1e9, 0.0, 0.0]
    assert _routed(scores, bias, sizes, 1.0, query, EAST_NORTH_WEST)[0].tolist() == [[0]]
    assert _routed(scores, bias, sizes, 1.0, query, EAST_NORTH_WEST, kept)[0].tolist() == [[1]]
    assert _routed(scores, bias, sizes, 1.0, query, EAST_NORTH_WEST, kept, 0.5)[0].tolist() == [[1, 2]]
    even = [-0.7, -0.7, -0.7]  # one answer in two: the same lists, and with a slope no fewer
    assert _routed(scores, bias, sizes, 9.5, query, EAST_NORTH_WEST, even)[0].tolist() == [[0, 1, 2]]


def test_bias_counts_and_narrower_queries_are_padded() -> None:
    scores = np.log([[0.7, 0.2, 0.1], [0.01, 0.01, 0.98]])
    bias = np.log([1, 1, 1e-6])
    found, _ = _routed(scores, bias, [1, 1, 1], -np.log(0.15), np.zeros((2, 2), np.float32), EAST_NORTH_WEST)
    assert found.tolist() == [[0, 1], [0, 1]]
    found, _ = _routed(scores, [0] * 3, [1, 1, 1], -np.log(0.15), np.zeros((2, 2), np.float32), EAST_NORTH_WEST)
    assert found.tolist() == [[0, 1], [2, -1]]


@quick
@given(SEEDS, st.integers(0, 4), st.integers(1, 9), st.floats(0, 12))
def test_route_is_a_softmax(seed: int, q: int, count: int, depth: float) -> None:
    rng = np.random.default_rng(seed)
    scores, bias = 4 * rng.standard_normal((q, count)), rng.standard_normal(count)
    sizes = rng.integers(1, 50, count)
    queries, middles = _floats(rng.standard_normal((q, 5))), _floats(rng.standard_normal((count, 5)))
    found, near = _routed(scores, bias, sizes, depth, queries, middles)
    shares = np.exp(scores + bias) / np.exp(scores + bias).sum(axis=1, keepdims=True)
    worth = np.log(shares / sizes) + depth
    for number in range(q):
        real = found[number][found[number] >= 0]
        wanted = {*np.flatnonzero(worth[number] > 1e-4), int(shares[number].argmax())}
        allowed = {*np.flatnonzero(worth[number] > -1e-4), int(shares[number].argmax())}
        assert wanted <= {*real} <= allowed
        assert real.tolist() == sorted(real)
        np.testing.assert_allclose(near[number, : len(real)], middles[real] @ queries[number], atol=1e-5)


def test_products_are_numpys() -> None:
    rng = np.random.default_rng(5)
    queries, weights = _floats(rng.standard_normal((7, 33))), _floats(rng.standard_normal((5, 33)))
    out = np.empty((7, 5), np.float32)
    kernels.products(queries, weights, out)
    np.testing.assert_allclose(out, queries @ weights.T, atol=1e-4)


# rank and exact


def _ranked(queries: Any, candidates: Any, rows: Any, dim: int, k: int) -> tuple[Any, Any]:
    scales, small = in_bytes(np.asarray(rows, np.float16))
    ids, scores = _places(len(queries), k)
    kernels.rank(_floats(queries), np.asarray(candidates, np.int64), small, scales, dim, ids, scores)
    return ids, scores


def _exact(queries: Any, candidates: Any, rows: Any, dim: int, k: int, first_id: int = 0) -> tuple[Any, Any]:
    bits = np.asarray(rows, np.float16).view(np.uint16)
    ids, scores = _places(len(queries), k)
    kernels.exact(_floats(queries), np.asarray(candidates, np.int64), bits, dim, first_id, ids, scores)
    return ids, scores


BOTH = pytest.mark.parametrize("best", [_ranked, _exact], ids=["8 bits", "16 bits"])
ROWS = [[1, 0], [0, 1], [0.6, 0.8], [-1, 0], [0, 1]]


@BOTH
def test_the_best_candidates_by_eye(best: Any) -> None:
    ids, scores = best([[1, 0], [0, 1]], [[3, 2, 0, 1], [4, 2, 1, 0]], ROWS, 2, 3)
    assert ids.tolist() == [[0, 2, 1], [1, 4, 2]]  # equal rows by ascending id, whatever their order
    assert (np.diff(scores, axis=1) <= 0).all()


@BOTH
@pytest.mark.parametrize("candidates", [[[-1, 2, -1, 1]], [[2, 1]], [[1, 2, -1, -1, -1]]], ids=str)
def test_holes_are_no_candidates_and_leave_empty_places(best: Any, candidates: Any) -> None:
    ids, scores = best([[1, 0]], candidates, ROWS, 2, 4)
    assert ids.tolist() == [[2, 1, -1, -1]]
    assert np.isneginf(scores[0, 2:]).all()


@BOTH
@pytest.mark.parametrize("candidates", [np.empty((2, 0)), np.full((2, 3), -1), np.empty((1, 0))])
def test_no_candidates_no_places(best: Any, candidates: Any) -> None:
    ids, scores = best([[1, 0], [0, 1]], candidates, ROWS, 2, 2)
    assert ids.tolist() == [[-1, -1]] * 2
    assert np.isneginf(scores).all()


@BOTH
def test_one_row_of_candidates_is_shared(best: Any) -> None:
    ids, _ = best([[1, 0], [0, 1], [-1, 0]], [[0, 1, 3]], ROWS, 2, 1)
    assert ids.tolist() == [[0], [1], [3]]


@BOTH
def test_a_prefix_counts_by_its_direction_not_its_length(best: Any) -> None:
    rows = [[0.9, 0.4, 0.17], [0.1, 0.0, 0.99], [0.0, 0.0, 1.0]]
    assert best([[1, 0, 0]], [[0, 1, 2]], rows, 2, 3)[0].tolist() == [[1, 0, 2]]
    assert best([[1, 0, 0]], [[0, 1, 2]], rows, 3, 3)[0].tolist() == [[0, 1, 2]]


def test_exact_scores_are_cosines_and_ids_are_the_index_s() -> None:
    ids, scores = _exact([[1, 0]], [[0, 2]], [[2, 0], [1, 1], [0.6, 0.8]], 2, 2, first_id=100)
    assert ids.tolist() == [[100, 102]]
    np.testing.assert_allclose(scores, [[1.0, 0.6]], atol=1e-3)


def _case(seed: int, q: int, n: int, c: int, dim: int) -> tuple[Any, Any, Any]:
    """Queries [q, 70], zero behind `dim`; candidates [q, c] with holes; rows [n, 70]."""
    rng = np.random.default_rng(seed)
    queries = np.zeros((q, 70), np.float32)
    queries[:, :dim] = truncate(_floats(rng.standard_normal((q, dim))), dim)
    candidates = np.empty((q, c), np.int64)
    for row in candidates:
        row[:] = np.resize(rng.permutation(np.r_[np.arange(n), [-1] * c]), c)
    return queries, candidates, rng.standard_normal((n, 70)).astype(np.float16)


many_cases = given(SEEDS, st.integers(0, 4), st.integers(1, 40), st.integers(0, 30), st.integers(1, 12),
                   st.sampled_from([70, 64, 33, 1]))  # fmt: skip


@quick
@many_cases
def test_exact_is_numpy(seed: int, q: int, n: int, c: int, k: int, dim: int) -> None:
    queries, candidates, rows = _case(seed, q, n, c, dim)
    cosines = queries[:, :dim] @ truncate(rows.astype(np.float32), dim).T
    _check(cosines, candidates, *_exact(queries, candidates, rows, dim, k))


@quick
@many_cases
def test_rank_is_numpy_over_rounded_values(seed: int, q: int, n: int, c: int, k: int, dim: int) -> None:
    queries, candidates, rows = _case(seed, q, n, c, dim)
    scales, small = in_bytes(rows)
    largest = np.abs(queries).max(axis=1, keepdims=True, initial=1e-30)
    dots = np.rint(queries / largest * np.float32(kernels.QUERY_SCALE)) @ small.T.astype(np.float64)
    # At the full width rows have unit length, so that their scale is enough.
    cosines = dots * scales if dim == 70 else dots / np.maximum(np.linalg.norm(small[:, :dim] * 1.0, axis=1), 1)
    _check(cosines, candidates, *_ranked(queries, candidates, rows, dim, k))


def _check(cosines: Any, candidates: Any, ids: Any, scores: Any) -> None:
    """Sums in another order may swap rows that are as good, so the scores are compared, and whose they are."""
    picked = [np.where(own == -1, -np.inf, values[own]) for own, values in zip(candidates, cosines, strict=True)]
    expected = top(candidates, np.reshape(picked, candidates.shape).astype(np.float32), ids.shape[1])
    np.testing.assert_allclose(scores, expected.scores, rtol=1e-5, atol=1e-5)
    assert ((ids == -1) == np.isneginf(scores)).all()
    for own, found, score, values in zip(candidates, ids, scores, cosines, strict=True):
        real = found != -1
        assert {*found[real]} <= {*own}
        np.testing.assert_allclose(values[found[real]], score[real], rtol=1e-5, atol=1e-5)


def test_8_bits_do_not_overflow_at_the_widest() -> None:
    ids, scores = _ranked(np.ones((1, 4096)) / 64, [[0, 1]], [[-1.0] * 4096, [1.0] * 4096], 4096, 2)
    assert ids.tolist() == [[1, 0]]
    assert scores[0, 0] > 0 > scores[0, 1]
