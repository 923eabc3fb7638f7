import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from embed.errors import DataUnavailable
from train.curate.packages.npm import fetch


def archive(path: Path, **files: bytes) -> str:
    """An npm package; its sum."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, which copies what stands beside it: the registry is not asked."""
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncp {program.parent}/*.tgz "$5/" || {{ echo "npm error gone" >&2; exit 1; }}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def test_a_package_is_fetched_once(npm: Path, tmp_path: Path) -> None:
    outside = {"package/voices/a.bin": b"voice", "elsewhere/b": b"stays"}
    known = archive(npm.parent / "own-1.tgz", **outside)
    root = fetch("@own/voices", "1.0.0", known, tmp_path)
    assert root == tmp_path / "npm" / "@own+voices_1.0.0"
    assert [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()] == ["voices/a.bin"]
    npm.unlink()
    assert fetch("@own/voices", "1.0.0", known, tmp_path) == root


def test_another_archive_is_not_unpacked(npm: Path, tmp_path: Path) -> None:
    archive(npm.parent / "own-1.tgz", **{"package/a": b"other"})
    with pytest.raises(DataUnavailable, match=r"own@1.0.0: the download is not the expected archive \(SHA-256"):
        fetch("own", "1.0.0", "0" * 64, tmp_path)
    assert not list((tmp_path / "npm").glob("own*"))


def test_a_path_that_leaves_the_folder_is_refused(npm: Path, tmp_path: Path) -> None:
    known = archive(npm.parent / "own-1.tgz", **{"package/../../../stolen": b"x"})
    with pytest.raises(tarfile.TarError):
        fetch("own", "1.0.0", known, tmp_path)
    assert not list(tmp_path.rglob("stolen"))


def test_what_npm_says_is_told(npm: Path, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"own@1\.0\.0: npm failed"):
        fetch("own", "1.0.0", "0" * 64, tmp_path)


def test_a_machine_without_npm_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataUnavailable, match=r"npm is missing; install Node\.js"):
        fetch("own", "1.0.0", "0" * 64, tmp_path)
