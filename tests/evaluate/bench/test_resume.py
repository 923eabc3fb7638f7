"""The resume bench, small: what it makes up is what the resuming process finds."""

from pathlib import Path

import pytest

from embed.errors import DegluError
from evaluate.bench.resume import bench, made_up, resumed


@pytest.mark.slow
def test_what_is_committed_is_not_left(tmp_path: Path) -> None:
    url = made_up(str(tmp_path / "out"), 33)
    seconds, megabytes = resumed(url, 33)
    assert seconds > 0
    assert 20 < megabytes < 500
    with pytest.raises(DegluError, match="34 units were committed, the resuming process found"):
        resumed(url, 34)


@pytest.mark.slow
def test_one_row_each_for_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluate.bench.resume.SIZES", (0,))
    rows = bench(7)["rows"]
    assert [row["measure"] for row in rows] == ["start-up with 7 committed units", "peak memory with 7 committed units"]
    assert rows[0]["ours"] > 0  # whether it is quick is for the bench, on a quiet machine
    assert rows[1]["met"]
