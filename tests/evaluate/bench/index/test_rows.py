"""Rows out of a comparison whose numbers are given."""

from dataclasses import replace

import pytest

from evaluate.bench.index.compare import Comparison, Entrant
from evaluate.bench.index.contender import Setting
from evaluate.bench.index.measure import Point, Truth
from evaluate.bench.index.peers.flat import Flat
from evaluate.bench.index.rows import rows_of
from evaluate.bench.index.tuning import MODES, TARGETS
from evaluate.bench.index.vectors import Vectors
from evaluate.bench.shape import Row
from tests.evaluate.bench.stand_in import StandIn

N64, N128 = "naive Matryoshka two-stage, 64 dims", "naive Matryoshka two-stage, 128 dims"


def entrant(name: str, flat: Flat, size: float, build_s: float) -> Entrant:
    flat.name = name
    chosen: dict[tuple[float, object], Setting] = {(recall, mode): recall for recall in TARGETS for mode in MODES}
    return Entrant(name, flat, build_s, size, 0.06, chosen)  # type: ignore[arg-type]


@pytest.fixture
def found(clustered: Vectors) -> Comparison:
    """Ours answers 600 a second, the naive ones 50 and 100, hnswlib 300; ScaNN is not there."""
    ours, other = StandIn(), StandIn()
    for one in (ours, other):
        one.build(clustered.rows)
    own = [entrant("deglu", ours, 100, 1), entrant("deglu, fixed depth", other, 100, 1)]
    own = [replace(one, promising=stand_in) for one, stand_in in zip(own, (ours, other), strict=True)]
    speeds = {N64: 50.0, N128: 100.0, "hnswlib": 300.0}
    peers = {name: entrant(name, Flat(), 400, 10) for name in speeds}
    del peers[N64].chosen[0.999, "batch"], peers[N128].chosen[0.999, "batch"]
    peers[N64].missed[0.999] = "misses by a lot"
    peers[N128].missed[0.999] = "misses"
    speeds |= {"deglu": 600.0, "deglu, fixed depth": 400.0}
    points = {
        (name, recall): Point(name, str(recall), recall, recall, recall, speed, speed / 2)
        for name, speed in speeds.items()
        for recall in TARGETS
    }
    report = Truth.of(clustered.rows, clustered.report)
    walls = {"deglu": 1000.0, "hnswlib": 500.0, N64: 80.0}
    return Comparison(clustered, report, own, peers, {"ScaNN": "scann is not installed"}, points, walls)  # type: ignore[arg-type]


def some(rows: list[Row], words: str, against: str) -> Row:
    (row,) = (row for row in rows if words in row.measure and row.against == against)
    return row


def test_the_better_of_the_naive_ones_counts(found: Comparison) -> None:
    rows = [
        one for one in rows_of(found) if one.against == "naive Matryoshka two-stage" and one.unit == "queries/cpu-s"
    ]
    row = next(one for one in rows if one.measure == "transformer, 2000 x 64: recall@10 0.99, in one batch")
    assert (row.ours, row.theirs, row.goal, row.met) == (600, 100, 6, True)
    assert row.reason == f"deglu at 0.99: recall@10 0.9900; {N128} at 0.99: recall@10 0.9900"
    single = next(one for one in rows if one.measure.endswith("0.99, one at a time"))
    assert (single.ours, single.theirs) == (300, 50)


def test_a_recall_out_of_reach_is_no_number_but_reasons(found: Comparison) -> None:
    row = some(rows_of(found), "recall@10 0.999, in one batch", "naive Matryoshka two-stage")
    assert row.theirs is None
    assert row.reason == "misses by a lot; misses"


def test_a_peer_that_is_not_there_says_so(found: Comparison) -> None:
    rows = [row for row in rows_of(found) if row.against == "ScaNN"]
    assert {(row.theirs, row.reason) for row in rows} == {(None, "scann is not installed")}
    assert [row.goal for row in rows if "recall@10 0.99," in row.measure] == [1.5, 1.5]


def test_memory_build_wall_and_own_fixed_depth(found: Comparison) -> None:
    rows = rows_of(found)
    assert (some(rows, "memory", "hnswlib").ratio, some(rows, "memory", "hnswlib").goal) == (4, 3)
    assert (some(rows, "build", "hnswlib").ratio, some(rows, "build", "hnswlib").goal) == (10, 15)
    assert some(rows, "by the clock", "hnswlib").ratio == 2
    fixed = some(rows, "recall@10 0.99, in one batch", "deglu, fixed depth")
    assert (fixed.ratio, fixed.goal) == (1.5, 1.3)
    read = next(row for row in rows if row.measure.endswith("rows read at recall@10 0.99"))
    assert (read.ours, read.theirs, read.ratio, read.goal) == (2000, 2000, 1, 1.5)


def test_the_promise_and_the_time_of_tuning(found: Comparison) -> None:
    rows = rows_of(found)
    promise = some(rows, "recall@10 of 0.99 at least", "the promise")
    assert (promise.ours, promise.goal, promise.met) == (1, 0.95, True)
    assert promise.measure.endswith("mean 1.0000")
    tuning = some(rows, "tuning", "a minute")
    assert (round(tuning.ours), tuning.theirs, tuning.met) == (30, 60, True)
