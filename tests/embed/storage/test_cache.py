import errno
import itertools
import multiprocessing
import os
from pathlib import Path

import pytest

from embed.errors import StorageError
from embed.storage.cache import cache_folder, make_folder, only_one


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DEGLU_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / "home" / ".cache" / "deglu"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "deglu"
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    assert cache_folder().is_dir()


def test_a_cache_that_cannot_be_made_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(StorageError, match="set DEGLU_CACHE"):
        cache_folder()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_takes_nothing_more_is_named_with_the_cure(tmp_path: Path, number: int) -> None:
    def fill(folder: Path) -> None:
        raise OSError(number, os.strerror(number), str(folder))

    with pytest.raises(StorageError, match=f"{tmp_path}: cannot be written .*; set DEGLU_CACHE to a writable folder"):
        make_folder(tmp_path / "thing", fill)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def fail_half_way(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        make_folder(tmp_path / "thing", fail_half_way)
    assert list(tmp_path.iterdir()) == []
    assert make_folder(tmp_path / "thing", lambda folder: (folder / "whole").touch()) == tmp_path / "thing"
    assert [file.name for file in (tmp_path / "thing").iterdir()] == ["whole"]


def test_the_first_of_two_writers_wins(tmp_path: Path) -> None:
    target = tmp_path / "thing"

    def overtaken(folder: Path) -> None:
        make_folder(target, lambda first: (first / "first").touch())
        (folder / "second").touch()

    make_folder(target, overtaken)
    assert [file.name for file in target.iterdir()] == ["first"]


def _append_slowly(folder: Path, word: str) -> None:
    with only_one(folder):
        for _ in range(200):
            with (folder / "lines").open("a") as file:
                file.write(f"{word}\n")


def test_processes_take_turns(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    workers = [spawn.Process(target=_append_slowly, args=(tmp_path, word)) for word in ("one", "two")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    words = (tmp_path / "lines").read_text().split()
    assert sorted(words) == ["one"] * 200 + ["two"] * 200
    assert sum(left != right for left, right in itertools.pairwise(words)) == 1  # No interleaving.
