"""Copies of parts: each made once, whole or not there, within the bound, and never taken from one who uses them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from embed.errors import InputError, StorageError
from index.parts.artifact import FileEntry, PartEntry
from index.parts.copies import copies_folder, copy_of

MB = 1_000_000
# What another process does with a part: asks for it, says so, and keeps it until its input ends.
OTHER = """
import sys
from index.parts.artifact import FileEntry, PartEntry
from index.parts.copies import copy_of
def fill(folder):
    (folder / "rows").write_bytes(bytes(1_000_000))
copy_of(PartEntry(name=sys.argv[1], files={"rows": FileEntry(bytes=1_000_000, sha256="")}), fill)
print("has it", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEGLU_INDEX_CACHE_GB", "0.003")


def _part(name: str, size: int = MB) -> PartEntry:
    return PartEntry(name=name, files={"rows": FileEntry(bytes=size, sha256="")})


def _filled(size: int = MB) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / "rows").write_bytes(bytes(size))

    return fill


def _left_behind(name: str, age_s: float) -> Path:
    """A copy that some process asked for, so long ago, and that none uses now."""
    folder = copies_folder() / name
    folder.mkdir(parents=True)
    (folder / "rows").write_bytes(bytes(MB))
    os.utime(folder, (time.time() - age_s,) * 2)
    return folder


def _names() -> list[str]:
    return sorted(path.name for path in copies_folder().iterdir() if path.name != ".lock")


@contextmanager
def _in_another_process(name: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OTHER, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        yield process


def test_made_once_for_all_threads() -> None:
    filled: list[Path] = []

    def fill(folder: Path) -> None:
        filled.append(folder)
        time.sleep(0.05)
        (folder / "rows").write_bytes(b"1")

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: copy_of(_part("a"), fill), range(8)))
    assert found == {copies_folder() / "a"}
    assert len(filled) == 1


def test_a_fetch_that_fails_leaves_nothing() -> None:
    def fill(folder: Path) -> None:
        (folder / "rows").touch()
        raise StorageError("the line broke")

    with pytest.raises(StorageError, match="the line broke"):
        copy_of(_part("a"), fill)
    assert _names() == []
    assert copy_of(_part("a"), _filled()).is_dir()


def test_what_was_asked_for_longest_ago_makes_room() -> None:
    for name, age_s in (("old", 30), ("oldest", 40), ("young", 20)):
        _left_behind(name, age_s)
    copy_of(_part("new"), _filled())
    assert _names() == ["new", "old", "young"]


def test_asking_makes_a_copy_young() -> None:
    asked = _left_behind("asked", 40)
    copy_of(_part("asked"), _filled())
    assert time.time() - asked.stat().st_mtime < 10


def test_what_this_process_uses_stays_though_it_is_old() -> None:
    for name, age_s in (("own", 40), ("other", 30), ("another", 20)):
        folder = _left_behind(name, age_s)
        if name == "own":
            copy_of(_part("own"), _filled())
            os.utime(folder, (0, 0))
    copy_of(_part("new"), _filled())
    assert _names() == ["another", "new", "own"]


@pytest.mark.slow
def test_what_another_process_uses_stays_until_it_ends(tmp_path: Path) -> None:
    _left_behind("young", 1)
    with _in_another_process("other's") as other:
        os.utime(copies_folder() / "other's", (0, 0))
        copy_of(_part("own"), _filled())
        copy_of(_part("new"), _filled())
        assert _names() == ["new", "other's", "own"]
        with pytest.raises(
            StorageError, match=r"more: has 0.001 GB, but 0.003 of the 0.003 GB .* set DEGLU_INDEX_CACHE_GB"
        ):
            copy_of(_part("more"), _filled())
        other.kill()
        other.wait()
        copy_of(_part("more"), _filled())
    assert _names() == ["more", "new", "own"]


def test_a_part_beyond_the_bound_removes_nothing() -> None:
    _left_behind("old", 30)
    with pytest.raises(
        StorageError, match=r"huge: has 0.004 GB, the cache may hold 0.003 GB; set DEGLU_INDEX_CACHE_GB hi"
    ):
        copy_of(_part("huge", 4 * MB), _filled(4 * MB))
    assert _names() == ["old"]


def test_drafts_of_killed_processes_vanish() -> None:
    (copies_folder() / ".draft-abc").mkdir(parents=True)
    copy_of(_part("a"), _filled())
    assert _names() == ["a"]


def test_a_copy_removed_by_hand_is_made_again() -> None:
    folder = copy_of(_part("a"), _filled())
    (folder / "rows").unlink()
    folder.rmdir()
    assert (copy_of(_part("a"), _filled()) / "rows").is_file()


@pytest.mark.parametrize("given", ["much", "0", "-1", "nan", "inf"])
def test_a_bound_that_is_none(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGLU_INDEX_CACHE_GB", given)
    with pytest.raises(InputError, match=f"DEGLU_INDEX_CACHE_GB = '{given}': give the maximum gigabytes"):
        copy_of(_part("a"), _filled())
