"""The curve of one modality: honest on questions that had no part in it, and a promise that fresh ones keep."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.calibration import calibrate as calibrate_module
from index.calibration.calibrate import Cost, calibrate
from index.calibration.questions import questions_for
from index.calibration.truth import recalls, true_nearest
from index.contracts import Hits
from index.ladder import Curve, Setting
from index.rungs.shelf import Shelf, ShelfRequest
from tests.index import shelves
from tests.index.shelves import clustered, coder_of, segment

pytestmark = pytest.mark.slow  # the curve takes five seconds

N, WIDTH, DIMS = 3_000, 32, (32, 16)
FRESH = 3_000
FIRST = 5_000  # positions and ids must not be taken for each other


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    rows = clustered(N, 1, WIDTH)
    coder = coder_of(rows, lists=32)
    return shelves.shelf([segment(rows, coder, FIRST)], coder)


@pytest.fixture(scope="module")
def calibrated(shelf: Shelf) -> tuple[Any, tuple[Curve, ...], list[str]]:
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ROUNDS", 2), ("ONES", 8)):
            patch.setattr(calibrate_module, name, value)
        router, curves = calibrate(shelf, Path("unread"), DIMS, None, None, told.append)
    return router, curves, told


@pytest.mark.slow
def test_each_curve_is_worth_choosing_from(calibrated: Any) -> None:
    router, curves, told = calibrated
    assert router.shape == (32, WIDTH + 1)
    assert [(curve.dim, curve.k, curve.queries) for curve in curves] == [(dim, 10, {"rows": 600}) for dim in DIMS]
    assert len(told) == 2
    for curve in curves:
        points = curve.points
        assert points  # how many survive hangs on times
        assert [point.low for point in points] == sorted({point.low for point in points})
        costs = [point.ms_one + point.ms_many for point in points]
        assert costs == sorted(costs)
        assert costs[0] > 0
        assert all(point.low <= point.recall["rows"] <= 1 for point in points)
        assert all(0 < point.rows_read <= 1 for point in points)
        assert points[0].recall["rows"] > 0.75
        assert points[-1].low > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("recall", [0.9, 0.95, 0.98, 0.99])
def test_the_promise_is_kept_on_fresh_questions(recall: float, dim: int, shelf: Shelf, calibrated: Any) -> None:
    router, curves, _ = calibrated
    (curve,) = (curve for curve in curves if curve.dim == dim)
    point = curve.for_recall(recall)
    assert point is not None
    queries = np.zeros((FRESH, WIDTH), np.float32)
    queries[:, :dim] = clustered(FRESH, 2, WIDTH)[:, :dim]
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    found = shelf.with_router(router).search(queries, ShelfRequest(10, dim, point.setting))
    no_one = np.full(FRESH, -1)
    true = true_nearest(queries, shelf.segments[0].rows, 10, dim, no_one)
    # Which points survive hangs on times, so this runs for any of them; 0.003 is a deviation of 600 questions' mean.
    assert recalls(found, true, no_one).mean() >= recall - 0.003


def test_what_a_point_says_is_what_a_search_does(shelf: Shelf, calibrated: Any) -> None:
    """The rows that were reported, asked again by hand: their own row is no answer, wherever ids begin."""
    router, curves, _ = calibrated
    ready, rows = shelf.with_router(router), shelf.segments[0].rows
    (report,) = questions_for(shelf.segments[0], Path("unread"), None, None).report
    queries = report.vectors
    true = np.argsort(-(queries @ rows.astype(np.float32).T), axis=1)[:, :11]
    for point in (curves[0].points[0], curves[0].points[-1]):
        found = ready.search(queries, ShelfRequest(11, WIDTH, point.setting)).ids - FIRST
        shares = [
            len(({*best} - {own}) & {*[one for one in row if one != own][:10]}) / 10
            for best, row, own in zip(true.tolist(), found.tolist(), report.own.tolist(), strict=True)
        ]
        assert np.mean(shares) == pytest.approx(point.recall["rows"], abs=0.003)
        lists, _ = ready.route(queries, point.setting.depth)
        assert ready.rows_in(lists) / (len(queries) * N) == pytest.approx(point.rows_read, abs=1e-3)


def test_the_kind_served_worst_decides() -> None:
    kinds, found = np.repeat([0, 1], 50), np.repeat([1.0, 0.9], 50).astype(np.float32)
    nothing = Hits(np.empty((100, 0), np.int64), np.empty((100, 0), np.float32))
    batch = calibrate_module.QuestionBatch(
        np.empty((100, 2), np.float32), np.full(100, -1), ("rows", "spans"), kinds, nothing
    )
    means, low = batch.worst(found, bound=False)
    assert means == {"rows": 1.0, "spans": pytest.approx(0.9)}
    assert low == pytest.approx(0.9)
    assert batch.worst(found, bound=True)[1] < 0.9


@pytest.mark.parametrize("count", [1, 24, 25, 300])
def test_a_long_chain_is_thinned_at_even_steps(count: int) -> None:
    recalls_of = 1 - np.geomspace(0.2, 1e-3, count)
    chain = [(float(kept), Setting(depth=float(kept), shortlist=16, exact=20)) for kept in recalls_of]
    thinned = calibrate_module._thinned(chain)
    assert len(thinned) <= calibrate_module.SURVIVORS
    assert {thinned[0].depth, thinned[-1].depth} == {chain[0][0], chain[-1][0]}
    assert [setting.depth for setting in thinned] == sorted({setting.depth for setting in thinned})
    assert len(thinned) == min(count, calibrate_module.SURVIVORS)


def test_a_cost_is_what_was_fitted() -> None:
    assert Cost(1.0, 0.5, 0.25).of(10, 8) == 8


@pytest.mark.slow
def test_a_log_alone_is_reported(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ROUNDS", 1), ("ONES", 2), ("SURVIVORS", 2)):
        monkeypatch.setattr(calibrate_module, name, value)
    log = clustered(200, 4, WIDTH)
    _, (curve,) = calibrate(shelf, Path("unread"), (WIDTH,), None, log)
    assert curve.queries == {"log": 100}
    assert all(set(point.recall) == {"log"} for point in curve.points)
