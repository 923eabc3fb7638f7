"""Rows are deleted by what their provenance says, at once and for ever."""

from pathlib import Path

import pytest

from embed.errors import InputError
from index.filter import parse_where
from index.live.delete import delete
from index.parts.artifact import read_manifest
from index.parts.removed import read_removed
from tests.index.living import appended, built, live


def test_deleted_rows_are_hidden_and_counted(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(8), range(100, 104))
    appended(url, range(10), range(100, 104))
    told = delete(url, parse_where("uri = 'text/1' or start = 9 or start = 100"))
    assert told.removed == {"deleted": {"text": 3, "speech": 1}}
    assert live(url) == [0, 1, 4, 5, 6, 7, 8, 101, 102, 103]
    assert live(url, 2) == [*range(10), 100, 101, 102, 103]
    rows = read_removed(url, read_manifest(url)).to_pylist()
    assert sorted((row["uri"], row["reason"]) for row in rows) == [
        ("speech/50", "deleted"),
        ("text/1", "deleted"),
        ("text/1", "deleted"),
        ("text/4", "deleted"),
    ]


def test_a_row_is_deleted_once(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(6))
    delete(url, parse_where("start = 1"))
    assert delete(url, parse_where("start = 1 or start = 2")).removed == {"deleted": {"text": 1}}
    with pytest.raises(InputError, match="no row matches 'start = 1'"):
        delete(url, parse_where("start = 1"))
    assert (read_manifest(url).version, live(url)) == (3, [0, 3, 4, 5])
