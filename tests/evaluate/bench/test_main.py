"""`python -m evaluate.bench`: all benches, one after the other."""

import json
from pathlib import Path

import pytest

from evaluate.bench import exports
from evaluate.bench.__main__ import benches, main
from evaluate.bench.index.__main__ import bench as index
from evaluate.bench.shape import machine


def test_every_bench_is_found() -> None:
    assert {"embed", "index", "index_gpu"} <= set(benches())
    assert benches()["index"] is index
    assert not {"shape", "command", "embed_text", "index_peers", "__main__"} & set(benches())


@pytest.mark.data
@pytest.mark.campaign
def test_all_of_them_in_one_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--n", "2", "--out", str(tmp_path / "all.json")]) == 0
    shown = capsys.readouterr()
    documents = json.loads(shown.out)
    assert [document["bench"] for document in documents] == list(benches())
    assert {document["machine"] for document in documents} == {machine()}
    assert all(document["rows"] for document in documents)
    embed = next(document for document in documents if document["bench"] == "embed")
    speech = next(row for row in embed["rows"] if row["unit"] == "audio-s/cpu-s")
    assert speech["ratio"] > 1  # a short wave instead of thirty seconds
    assert json.loads((tmp_path / "all.json").read_text()) == documents
    assert "bench index\n" in shown.err


@pytest.mark.slow
def test_one_that_cannot_run_here_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cache cannot be made: no weights, no passages, and vectors that are made up all the same."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(exports, "TARGETS", ["npy"])  # each store takes seconds
    assert main(["--n", "2"]) == 1
    shown = capsys.readouterr()
    assert "bench embed: " in shown.err
    assert "set DEGLU_CACHE to a writable folder" in shown.err
    assert "index_gpu, 20" in shown.out
