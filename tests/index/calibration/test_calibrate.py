"""The curve of one modality: honest on questions that had no part in it, and a promise that fresh ones keep."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.calibration import calibrate as calibrate_module
from index.calibration.calibrate import calibrate
from index.calibration.questions import questions_for
from index.calibration.truth import recalls, true_nearest
from index.contracts import Hits
from index.ladder import Curve, point_for
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
    router, curves = calibrate(shelf, Path("unread"), DIMS, None, None, told.append)
    return router, curves, told


@pytest.mark.slow
def test_each_curve_is_worth_choosing_from(calibrated: Any) -> None:
    router, curves, told = calibrated
    assert router.shape == (32, WIDTH + 1)
    wanted = [(dim, k, {"rows": 1_500 if dim == WIDTH else 500}) for dim in DIMS for k in (1, 10, 100)]
    assert [(curve.dim, curve.k, curve.queries) for curve in curves] == wanted
    assert len(told) == 2
    for curve in curves:
        points = curve.points
        assert [point.low for point in points] == sorted({point.low for point in points})
        for name in ("depth", "shortlist"):
            values = [getattr(point.setting, name) for point in points]
            assert values == sorted(values)  # so a mixture of two neighbours finds what lies between
        assert all(0 < point.ms_many < point.ms_one for point in points)
        assert all(point.low <= point.recall["rows"] <= 1 for point in points)
        assert all(0 < point.rows_read <= 1 for point in points)
        assert points[0].recall["rows"] > 0.7
        assert points[-1].low > 0.99
        assert (curve.agrees is None) == (curve.dim == WIDTH)
        assert curve.agrees is None or 0.2 < curve.agrees < 0.95


@pytest.mark.slow
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize(("recall", "k"), [(0.9, 10), (0.95, 10), (0.99, 10), (0.95, 1), (0.95, 30), (0.99, 100)])
def test_the_promise_is_kept_on_fresh_questions(recall: float, k: int, dim: int, shelf: Shelf, calibrated: Any) -> None:
    router, curves, _ = calibrated
    point = point_for([curve for curve in curves if curve.dim == dim], k, recall)
    assert point is not None
    queries = np.zeros((FRESH, WIDTH), np.float32)
    queries[:, :dim] = clustered(FRESH, 2, WIDTH)[:, :dim]
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    found = shelf.with_router(router).search(queries, ShelfRequest(k, dim, point.setting))
    no_one = np.full(FRESH, -1)
    true = true_nearest(queries, shelf.segments[0].rows, k, dim, no_one)
    found_recall = recalls(found, true, no_one).mean()
    assert found_recall >= recall - 0.003  # a deviation of 1,500 questions' mean
    assert k == 1 or found_recall < recall + max(0.025, (1 - recall) / 2)  # no more is read than that requires


@pytest.mark.slow
def test_what_a_point_says_is_what_a_search_does(shelf: Shelf, calibrated: Any) -> None:
    """The rows that were reported, asked again by hand: their own row is no answer, wherever ids begin."""
    router, curves, _ = calibrated
    ready, rows = shelf.with_router(router), shelf.segments[0].rows
    (report,) = questions_for(shelf.segments[0], Path("unread"), None, None).report
    queries = report.vectors
    true = np.argsort(-(queries @ rows.astype(np.float32).T), axis=1)[:, :11]
    ten = next(curve for curve in curves if curve.k == 10)
    for point in (ten.points[0], ten.points[len(ten.points) // 2], ten.points[-1]):
        # The row itself takes a place of the shortlist.
        setting = point.setting.model_copy(update={"shortlist": point.setting.shortlist + 1})
        found = ready.search(queries, ShelfRequest(11, WIDTH, setting)).ids - FIRST
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


@pytest.mark.slow
def test_a_log_alone_is_reported(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate_module, "SURVIVORS", 2)
    log = clustered(200, 4, WIDTH)
    _, (one, ten, hundred) = calibrate(shelf, Path("unread"), (WIDTH,), None, log)
    assert one.queries == ten.queries == hundred.queries == {"log": 100}
    assert all(set(point.recall) == {"log"} for point in ten.points)
