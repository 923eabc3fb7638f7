"""Notes of what was found good: they hold for these very files, and for none that may still change."""

import os
import time
from pathlib import Path

import pytest

from index.parts.artifact import FileEntry, PartEntry
from index.parts.checked import FRESH_S, is_noted, note
from index.parts.local import describe


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A part of two files, long unchanged."""
    folder = tmp_path / "part"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_bytes(b"1234")
    time.sleep(FRESH_S * 1.1)
    return folder


def _entry(folder: Path) -> PartEntry:
    return PartEntry(name="part", files={path.name: describe(path) for path in folder.iterdir()})


def test_what_was_noted_is_known(folder: Path) -> None:
    entry = _entry(folder)
    assert not is_noted(folder, entry)
    note(folder, entry)
    assert is_noted(folder, entry)


def test_another_content_is_not_known_though_the_clock_was_set_back(folder: Path) -> None:
    entry, before = _entry(folder), (folder / "a").stat()
    note(folder, entry)
    (folder / "a").write_bytes(b"1235")
    os.utime(folder / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not is_noted(folder, entry)


def test_another_manifest_is_not_known(folder: Path) -> None:
    entry = _entry(folder)
    note(folder, entry)
    other = entry.model_copy(update={"files": {**entry.files, "a": FileEntry(bytes=4, sha256="0" * 64)}})
    assert not is_noted(folder, other)


def test_files_that_may_still_change_are_not_noted(folder: Path) -> None:
    (folder / "a").write_bytes(b"4321")
    entry = _entry(folder)
    note(folder, entry)
    assert not is_noted(folder, entry)


@pytest.mark.parametrize("text", ["", "{}", "[", "null"])
def test_a_damaged_note_is_none(folder: Path, cache: Path, text: str) -> None:
    entry = _entry(folder)
    note(folder, entry)
    (path,) = (cache / "index-checked").iterdir()
    path.write_text(text)
    assert not is_noted(folder, entry)


def test_without_a_cache_nothing_is_noted(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "file" / "below"))
    note(folder, _entry(folder))
    assert not is_noted(folder, _entry(folder))
