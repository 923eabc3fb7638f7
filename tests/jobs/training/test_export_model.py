"""The verb: a folder that the library opens, and words on how."""

import json
from pathlib import Path

import pytest

from jobs.__main__ import run


@pytest.mark.slow
def test_the_verb(tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "exported")
    from sentence_transformers import SentenceTransformer  # ten seconds: not while tests are collected

    assert run(["export", "model", tiny_model, folder]) == 0
    out = capsys.readouterr().out
    assert f"open it    SentenceTransformer({folder!r}, truncate_dim=8)" in out
    assert SentenceTransformer(folder, device="cpu", truncate_dim=8).encode(["a"]).shape == (1, 8)
    assert run(["export", "model", tiny_model, folder]) == 2
    assert "exists already; name a new folder" in capsys.readouterr().err
    assert run(["export", "model", tiny_model, str(tmp_path / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dims"] == [32, 16, 8]
