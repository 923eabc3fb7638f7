import sys
import zipfile
from pathlib import Path

import pytest

from embed.errors import DataUnavailable
from embed.identity import file_sha256
from train.curate.packages.pip import fetch


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python whose pip copies the wheel next to it: the index is not asked."""
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    wheel = program.parent / "own-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("own/data/en.json", "{}")
        archive.writestr("../stolen", "x")
    program.write_text(f'#!/bin/sh\n/bin/cp {program.parent}/*.whl . || {{ echo "ERROR: gone" >&2; exit 1; }}\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return wheel


def test_a_wheel_is_fetched_once_and_stays_in_its_folder(wheel: Path, tmp_path: Path) -> None:
    known = file_sha256(wheel)
    root = fetch("own", "1.0", known, tmp_path / "cache")
    assert root == tmp_path / "cache" / "pip" / "own_1.0"
    assert (root / "own/data/en.json").read_text() == "{}"
    assert not list((tmp_path / "cache").glob("stolen"))
    assert not list((tmp_path / "cache" / "pip").glob("stolen"))
    wheel.unlink()
    assert fetch("own", "1.0", known, tmp_path / "cache") == root


def test_another_wheel_or_none_is_refused(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"own==1\.0: the download is not the expected wheel \(SHA-256"):
        fetch("own", "1.0", "0" * 64, tmp_path / "cache")
    wheel.unlink()
    with pytest.raises(DataUnavailable, match=r"own==1\.0: pip failed: ERROR: gone; check the network"):
        fetch("own", "1.0", "0" * 64, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "pip").glob("own*"))
