"""Kept files: the bound on their size, and which are removed first."""

import os
from pathlib import Path

from evaluate.kept_files import prune, used, write


def test_what_was_used_least_recently_is_removed_first(tmp_path: Path) -> None:
    for age, name in enumerate("abcd"):
        write(tmp_path / name, lambda file: file.write(bytes(100)))
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    used(tmp_path / "a")
    prune(tmp_path, 400)
    assert len(list(tmp_path.iterdir())) == 4
    prune(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d"]
    prune(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []
