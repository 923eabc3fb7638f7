"""Digests of files: they follow the bytes, and are kept for as long as the file is the one that was read."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embed.errors import InputError
from embed.model.towers import digests
from embed.model.towers.digests import file_digest

LONG_AGO = time.time() - 3600


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of the test's own, where the smallest file is kept."""
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "SMALLEST_KEPT", 1)
    monkeypatch.setattr(digests, "SETTLED_S", -1.0)
    forget()
    yield tmp_path / "cache" / digests.FOLDER
    forget()


def forget() -> None:
    """As in a new process."""
    digests._digest_of.cache_clear()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_digest_follows_the_bytes(tmp_path: Path) -> None:
    path = written(tmp_path / "weights", b"one")
    before = file_digest(path)
    os.replace(written(tmp_path / "other", b"two"), path)
    assert file_digest(path) != before
    os.replace(written(tmp_path / "other", b"one"), path)
    assert file_digest(path) == before
    with pytest.raises(InputError, match="gone: cannot be read"):
        file_digest(tmp_path / "gone")


def test_a_file_is_hashed_once_for_all_processes(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "weights", b"one")
    assert file_digest(path) == sha256(b"one")
    assert len(list(cache.iterdir())) == 1
    forget()
    monkeypatch.setattr(hashlib, "file_digest", None)  # nothing is read again
    assert file_digest(path) == sha256(b"one")


@pytest.mark.parametrize("change", ["size", "bytes alone", "bytes alone, with the old time", "another file"])
def test_a_changed_file_is_hashed_again(tmp_path: Path, change: str) -> None:
    path = written(tmp_path / "weights", b"one")
    os.utime(path, (LONG_AGO, LONG_AGO))
    file_digest(path)
    forget()
    new = b"longer" if change == "size" else b"two"
    if change == "another file":
        os.replace(written(tmp_path / "other", new), path)
    else:
        path.write_bytes(new)
    if change == "bytes alone, with the old time":
        os.utime(path, (LONG_AGO, LONG_AGO))
    assert file_digest(path) == sha256(new)


def test_a_file_changed_just_now_is_not_kept(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "SETTLED_S", 60.0)
    file_digest(written(tmp_path / "weights", b"one"))
    assert not cache.exists()


def test_a_small_file_is_not_kept(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "SMALLEST_KEPT", 1 << 20)
    file_digest(written(tmp_path / "weights", b"one"))
    assert not cache.exists()


@pytest.mark.parametrize("note", ["", "{", "[]", '{"sha256": 1}', '{"path": "/x", "state": [], "sha256": "ab"}'])
def test_a_damaged_note_is_no_digest(tmp_path: Path, cache: Path, note: str) -> None:
    path = written(tmp_path / "weights", b"one")
    file_digest(path)
    (kept,) = cache.iterdir()
    kept.write_text(note)
    forget()
    assert file_digest(path) == sha256(b"one")
    assert json.loads(kept.read_text())["sha256"] == sha256(b"one")


def test_no_cache_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(written(tmp_path / "file", b"") / "cache"))
    assert file_digest(written(tmp_path / "weights", b"one")) == sha256(b"one")
