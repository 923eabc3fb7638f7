"""All segments of a modality as one: the same hits however rows are cut, and only those that may be."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from embed.encoder import truncate
from index.contracts import Hits, StageCost
from index.kept import Kept, kept_rows
from index.ladder import Curve, Point, Setting
from index.rungs.coder import Coder
from index.rungs.shelf import ONE_CALL, Shelf, ShelfRequest
from tests.index import shelves
from tests.index.rungs.test_simd import needs_avx2
from tests.index.shelves import EVERYTHING, WIDTH, clustered, coder_of, segment

N = 900
USUAL = Setting(depth=7.0, shortlist=60, exact=20)
LADDERS = pytest.mark.parametrize("setting", [None, EVERYTHING], ids=["every row", "stages"])


@pytest.fixture(scope="module")
def rows() -> Any:
    return clustered(N, 1).astype(np.float16)


@pytest.fixture(scope="module")
def coder(rows: Any) -> Coder:
    return coder_of(rows)


@pytest.fixture(scope="module")
def one(rows: Any, coder: Coder) -> Shelf:
    return shelves.shelf([segment(rows, coder)], coder)


@pytest.fixture(scope="module")
def three(rows: Any, coder: Coder) -> Shelf:
    """The same rows in three segments, with gaps between their ids."""
    cuts = (rows[:500], 1_000), (rows[500:520], 2_000), (rows[520:], 3_000)
    return shelves.shelf([segment(some, coder, first) for some, first in cuts], coder)


def _by_id(shelf: Shelf) -> dict[int, Any]:
    return {part.first_id + place: row for part in shelf.segments for place, row in enumerate(part.rows)}


def _cut(queries: Any, dim: int) -> Any:
    found = np.zeros_like(queries)
    found[:, :dim] = truncate(queries, dim)
    return found


@LADDERS
@pytest.mark.parametrize("dim", [WIDTH, 6])
def test_several_segments_are_as_one(setting: Any, dim: int, one: Shelf, three: Shelf) -> None:
    queries = _cut(clustered(30, 2), dim)
    whole, cut = (shelf.search(queries, ShelfRequest(10, dim, setting)) for shelf in (one, three))
    np.testing.assert_allclose(cut.scores, whole.scores, atol=1e-6)
    left, right = _by_id(one), _by_id(three)
    assert all(
        (left[a] == right[b]).all() for a, b in zip(whole.ids.ravel().tolist(), cut.ids.ravel().tolist(), strict=True)
    )
    assert len(three.segments) == 3
    assert three.rows == one.rows == N


def test_reading_less_finds_less_but_most(one: Shelf) -> None:
    queries = clustered(100, 3)
    true = one.search(queries, ShelfRequest(10, WIDTH, None)).ids
    settings = [Setting(depth=depth, shortlist=200, exact=20) for depth in (0.0, 7.0, 12.0, 50.0)]
    found = [one.search(queries, ShelfRequest(10, WIDTH, setting)).ids for setting in settings]
    recalls = [np.mean([np.isin(a, b).mean() for a, b in zip(true, ids, strict=True)]) for ids in found]
    read = [one.rows_in(one.route(queries, setting.depth)[0]) for setting in settings]
    assert read == sorted(read)
    assert read[0] < 0.3 * 100 * N
    assert read[-1] > 0.9 * 100 * N
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.9 < 0.99 < recalls[-1]


def test_a_route_names_lists_and_the_cosines_to_their_middles(one: Shelf) -> None:
    queries = clustered(20, 4)
    lists, near = one.route(queries, 7.0)
    cosines = queries @ one.middles().T
    real = lists >= 0
    assert real.any(axis=1).all()
    expected = np.take_along_axis(cosines, np.maximum(lists, 0), axis=1)
    np.testing.assert_allclose(near[real], expected[real], atol=1e-5)
    # Each query reads the list that its nearest middle has, and the answer to how many rows that are is their sum.
    sizes = one.segments[0].list_sizes()
    assert one.rows_in(lists) == sum(sizes[row[row >= 0]].sum() for row in lists)


@pytest.mark.parametrize("dim", [WIDTH, 6])
def test_one_at_a_time_is_as_together(dim: int, one: Shelf, three: Shelf) -> None:
    """A few queries are answered in one call, many stage by stage; they differ where roundings decide."""
    queries = _cut(clustered(60, 9), dim)
    for shelf, setting, least in ((three, EVERYTHING, 1), (one, USUAL, 0.99), (three, USUAL, 0.99)):
        request = ShelfRequest(10, dim, setting)
        together, alone = shelf.search(queries, request), [shelf.search(query[None], request) for query in queries]
        ids, scores = (np.vstack(parts) for parts in zip(*((hits.ids, hits.scores) for hits in alone), strict=True))
        assert np.mean([np.isin(*pair).mean() for pair in zip(ids, together.ids, strict=True)]) >= least
        same = ids == together.ids
        np.testing.assert_allclose(scores[same], together.scores[same], atol=1e-6)


def test_threads_do_not_share_anything(three: Shelf) -> None:
    queries, request = clustered(200, 10), ShelfRequest(10, WIDTH, USUAL)
    fresh = three.with_router(np.hstack([three._weights, three._bias[:, None]]))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: fresh.search(query[None], request), queries))
    for query, hits in zip(queries, found, strict=True):
        assert hits.ids.tolist() == three.search(query[None], request).ids.tolist()


@LADDERS
@pytest.mark.parametrize("share", [2, 50], ids=["half", "one in fifty"])
def test_only_kept_rows_are_hits(setting: Any, share: int, three: Shelf) -> None:
    kept = [np.arange(len(part)) % share == 0 for part in three.segments]
    may = {part.first_id + at for part, mask in zip(three.segments, kept, strict=True) for at in np.flatnonzero(mask)}
    request = ShelfRequest(10, WIDTH, setting, kept=kept_rows(kept))
    every = three.search(clustered(20, 5), ShelfRequest(N, WIDTH, None)).ids
    expected = [[one for one in row if one in may][:10] for row in every.tolist()]
    assert three.search(clustered(20, 5), request).ids.tolist() == expected
    assert [three.search(query[None], request).ids[0].tolist() for query in clustered(20, 5)] == expected


@LADDERS
def test_nothing_kept_nothing_found(setting: Any, three: Shelf) -> None:
    kept = [np.zeros(len(part), bool) for part in three.segments]
    hits = three.search(clustered(3, 5), ShelfRequest(2, WIDTH, setting, kept=kept_rows(kept)))
    assert hits.ids.tolist() == [[-1, -1]] * 3
    assert np.isneginf(hits.scores).all()


@LADDERS
def test_hidden_rows_give_way_to_the_next(setting: Any, three: Shelf) -> None:
    queries = clustered(3, 6)
    free = three.search(queries, ShelfRequest(8, WIDTH, setting)).ids
    hidden = [free[0, :3], np.empty(0, np.int64), free[2, [1]]]
    held = three.search(queries, ShelfRequest(5, WIDTH, setting, hidden=hidden)).ids
    assert held[0].tolist() == free[0, 3:8].tolist()
    assert held[1].tolist() == free[1, :5].tolist()
    assert held[2].tolist() == free[2, [0, 2, 3, 4, 5]].tolist()


def test_some_of_the_queries_keep_their_own_hidden_rows() -> None:
    hidden = [np.array([number]) for number in range(4)]
    some = ShelfRequest(3, 8, None, hidden).of(slice(1, 3))
    assert some.hidden == hidden[1:3]
    assert ShelfRequest(3, 8, None).of(slice(1, 3)) == ShelfRequest(3, 8, None)


@LADDERS
def test_no_queries_no_hits(setting: Any, three: Shelf) -> None:
    hits = three.search(np.empty((0, WIDTH), np.float32), ShelfRequest(3, WIDTH, setting))
    assert hits.ids.shape == hits.scores.shape == (0, 3)


@LADDERS
def test_more_hits_than_rows_leave_empty_places(setting: Any, rows: Any, coder: Coder) -> None:
    few = shelves.shelf([segment(rows[:5], coder), segment(rows[5:7], coder, 50)], coder)
    hits = few.search(clustered(2, 7), ShelfRequest(9, WIDTH, setting))
    assert np.sort(hits.ids, axis=1)[:, 2:].tolist() == [[0, 1, 2, 3, 4, 50, 51]] * 2
    assert hits.ids[:, 7:].tolist() == [[-1, -1]] * 2
    assert np.isneginf(hits.scores[:, 7:]).all()


def test_what_was_read_is_told(three: Shelf) -> None:
    costs: list[StageCost] = []
    q = ONE_CALL + 1
    queries = clustered(q, 8)
    three.search(queries, ShelfRequest(10, WIDTH, USUAL), costs.append)
    read = three.rows_in(three.route(queries, USUAL.depth)[0])
    lists, code_bytes = len(three.middles()), 4
    # The middle segment has 20 rows: fewer than the shortlist has places, empty ones are counted too.
    assert costs[0] == StageCost("route", "text", WIDTH, q * lists, q * lists * WIDTH * 4, costs[0].seconds)
    by_stage = {name: [cost for cost in costs if cost.stage == name] for name in ("scan", "rank", "exact")}
    assert sum(cost.rows for cost in by_stage["scan"]) == read
    assert sum(cost.bytes for cost in by_stage["scan"]) == read * code_bytes
    assert [(cost.rows, cost.bytes) for cost in by_stage["rank"]] == [(q * 60, q * 60 * WIDTH)] * 3
    assert [(cost.rows, cost.bytes) for cost in by_stage["exact"]] == [(q * 20, q * 20 * WIDTH * 2)] * 3
    assert all(cost.seconds > 0 for cost in costs)


@needs_avx2
def test_what_one_call_read_is_recorded(one: Shelf) -> None:
    costs: list[StageCost] = []
    query = clustered(1, 8)
    one.search(query, ShelfRequest(10, WIDTH, USUAL), costs.append)
    lists = len(one.middles())
    scanned = costs[1].rows
    assert [(cost.stage, cost.rows, cost.bytes) for cost in costs] == [
        ("route", lists, lists * WIDTH),
        ("scan", scanned, scanned * 4),
        ("rank", 60, 60 * WIDTH),
        ("exact", 20, 20 * WIDTH * 2),
    ]
    # Lists in which no row can be better are left out.
    assert 60 <= scanned <= one.rows_in(one.route(query, USUAL.depth)[0])
    assert all(cost.seconds > 0 for cost in costs)


@pytest.mark.parametrize(("kept", "read"), [(False, 4 * N), (True, 4 * N // 2)])
def test_reading_all_is_told(kept: bool, read: int, one: Shelf) -> None:
    costs: list[StageCost] = []
    masks = kept_rows([np.arange(N) % 2 == 0]) if kept else None
    one.search(clustered(4, 8), ShelfRequest(10, WIDTH, None, kept=masks), costs.append)
    assert [(cost.stage, cost.rows, cost.bytes) for cost in costs] == [("all", read, read * WIDTH * 2)]


class _Card:
    """Knows its answers by heart."""

    def search(self, queries: Any, k: int) -> Hits:
        return Hits(
            np.tile(np.arange(k), (len(queries), 1)), np.tile(np.linspace(1, 0, k, dtype=np.float32), (len(queries), 1))
        )


def test_a_card_answers_where_it_is_wished(rows: Any) -> None:
    shelf = Shelf("text", [segment(rows)], cards=[_Card()])
    costs: list[StageCost] = []
    hits = shelf.search(clustered(2, 9), ShelfRequest(3, WIDTH, None, on_card=True), costs.append)
    assert hits.ids.tolist() == [[0, 1, 2]] * 2
    assert [cost.stage for cost in costs] == ["card"]
    hidden = [np.array([0, 2]), np.array([1])]
    assert shelf.search(clustered(2, 9), ShelfRequest(2, WIDTH, None, hidden, on_card=True)).ids.tolist() == [
        [1, 3],
        [0, 2],
    ]


def _curve(dim: int, k: int) -> Curve:
    point = Point(setting=USUAL, recall={"rows": 1.0}, low=0.99, rows_read=0.1, ms_one=1, ms_many=1)
    return Curve(dim=dim, k=k, queries={"rows": 100}, points=(point,))


def test_the_curves_of_a_width_by_number_of_hits(rows: Any, coder: Coder) -> None:
    shelf = shelves.shelf([segment(rows, coder)], coder, [_curve(16, 100), _curve(6, 10), _curve(16, 10)])
    assert [[curve.k for curve in shelf.curves_at(dim)] for dim in (16, 6, 5)] == [[10, 100], [10], []]


def test_depths_are_those_at_which_a_list_is_read(one: Shelf) -> None:
    queries = clustered(20, 3)
    kept = [Kept(np.arange(len(one.segments[0])) % 3 > 0)]
    for some in (None, kept):
        depths = one.depths(queries, some)
        for depth in (2.0, 5.0, 7.0):
            lists, _ = one.route(queries, depth, None, some)
            assert [sorted(row[row >= 0]) for row in lists] == [np.flatnonzero(row < depth).tolist() for row in depths]
    assert (one.log_share(queries, kept) < 0).all()


def test_the_pace_of_a_machine_is_measured_once(one: Shelf) -> None:
    pace = one.pace(_curve(16, 10))
    assert pace > 0
    assert one.pace(_curve(16, 10)) == pace


def test_another_router_reads_other_lists(one: Shelf) -> None:
    lists = len(one.middles())
    only = np.zeros((lists, WIDTH + 1), np.float32)
    only[3, -1] = 50.0
    found, _ = one.with_router(only).route(clustered(4, 9), 5.0)
    assert found.tolist() == [[3]] * 4
