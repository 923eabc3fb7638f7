"""The whole comparison with peers of faiss, and a stand-in where ours would be."""

import numpy as np
import pytest

from evaluate.bench.index.compare import Comparison, compare
from evaluate.bench.index.tuning import MODES, TARGETS
from evaluate.bench.index.vectors import Vectors
from evaluate.bench.timing import one_thread
from tests.evaluate.bench.stand_in import FAMILIES, StandIn

pytestmark = pytest.mark.slow  # all of them ask for the whole comparison


@pytest.fixture(scope="module")
def found(clustered: Vectors) -> Comparison:
    with one_thread():
        return compare(clustered, (StandIn,), FAMILIES)


def test_what_cannot_be_measured_is_missing_with_its_reason(found: Comparison) -> None:
    assert found.missing == {
        "hnswlib": "no_such_package is not installed",
        "broken": "RuntimeError: no such instruction",
    }
    assert list(found.peers) == ["exact flat", "codes"]


def test_every_target_has_a_point_on_the_queries_reported(found: Comparison) -> None:
    for recall in TARGETS:
        for mode in MODES:
            exact, ours = (found.point(one, recall, mode) for one in (found.peers["exact flat"], found.ours[0]))
            assert exact is not None
            assert ours is not None
            assert exact.recall == ours.recall == 1
    codes = found.point(found.peers["codes"], 0.95, "batch")
    assert codes is not None
    assert 0.9 < codes.recall <= 1  # other queries than those of tuning


def test_curves_are_timed_as_well(found: Comparison) -> None:
    codes, ours = found.peers["codes"], found.ours[0]
    assert {(codes.contender.name, setting) for setting in codes.curve} <= set(found.points)
    assert ours.curve == [0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999]
    assert np.isfinite([point.batch for point in found.points.values()]).all()


def test_builds_are_told(found: Comparison) -> None:
    assert found.ours[0].promising is found.ours[0].contender
    assert found.peers["codes"].build_s > found.peers["exact flat"].build_s
    assert found.peers["exact flat"].bytes_per_vector == 256


def test_progress_goes_to_stderr(clustered: Vectors, capsys: pytest.CaptureFixture[str]) -> None:
    compare(clustered, (StandIn,), FAMILIES[3:])
    shown = capsys.readouterr()
    assert "cpu-s: broken: RuntimeError" in shown.err
    assert shown.out == ""
