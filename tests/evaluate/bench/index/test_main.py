"""The bench's document and its command."""

import json

import pytest

from evaluate.bench.index import __main__ as index
from evaluate.bench.index.__main__ import assembled, compared, main
from evaluate.bench.index.plot import picture
from evaluate.bench.index.vectors import Vectors
from tests.evaluate.bench.stand_in import FAMILIES, StandIn


@pytest.mark.slow
def test_the_document_has_rows_points_and_builds_and_can_be_drawn(clustered: Vectors) -> None:
    found = json.loads(json.dumps(assembled([compared(clustered, (StandIn,), FAMILIES)], ["static: not there"])))
    assert (found["bench"], found["left_out"]) == ("index", ["static: not there"])
    assert {row["against"] for row in found["rows"]} >= {"exact flat", "codes", "hnswlib", "broken", "the promise"}
    exact = next(point for point in found["points"] if point["family"] == "exact flat")
    assert (exact["data"], exact["recall"]) == ("transformer", 1)
    assert {build["contender"] for build in found["builds"]} >= {"stand-in", "exact flat"}
    assert picture(found).axes


def test_a_data_set_that_is_unknown_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--only", "speech"])
    assert left.value.code == 2
    assert "invalid choice: 'speech'" in capsys.readouterr().err


def test_a_data_set_that_cannot_be_had_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("evaluate.bench.index.vectors.STATIC", "no_such_package")
    assert main(["--only", "static", "--n", "500"]) == 1
    assert "no_such_package is not installed" in capsys.readouterr().err


def test_ours_come_first() -> None:
    assert [make.name for make in index.OURS] == ["deglu", "deglu, fixed depth"]  # type: ignore[attr-defined]
