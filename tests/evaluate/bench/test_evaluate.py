"""The bench of scoring: one shape, equal values, and peers that are not installed."""

import pytest

from embed.errors import DegluError
from evaluate.bench import evaluate as bench_module
from evaluate.bench.evaluate import bench, check_equal


@pytest.mark.slow
def test_a_peer_that_is_not_installed_is_a_row_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(bench_module, "import_module", missing)
    found = bench(3)
    assert found["bench"] == "evaluate"
    assert [row["against"] for row in found["rows"]] == ["ranx", "mteb"]
    for row in found["rows"]:
        assert row["measure"] == "3 questions, 300 documents, 5 widths"
        assert row["ours"] > 0
        assert row["theirs"] is None
        assert row["reason"].startswith("not installed: No module named")


def test_speeds_are_of_equal_values_only() -> None:
    check_equal({"ours": {64: 0.5}, "ranx": {64: 0.50001}})
    with pytest.raises(DegluError, match=r"nDCG@10 of mteb at 64 dims is 0\.60000, ours is 0\.50000"):
        check_equal({"ours": {64: 0.5}, "mteb": {64: 0.6}})
