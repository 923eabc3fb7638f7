"""`deglu verify` of an index: what holds, and what not, by file; the exit code goes with it."""

from pathlib import Path

import pytest

from embed.errors import InputError
from index.parts.artifact import ROWS, read_manifest
from jobs.verify_index import verify_any
from tests.index.living import built


def test_a_whole_index(tmp_path: Path) -> None:
    built(str(tmp_path), range(6))
    told = verify_any(str(tmp_path))
    document, lines = told.document(), told.text().splitlines()
    assert (told.exit_code, document["whole"], document["version"], document["problems"]) == (0, True, 1, [])
    assert [check["holds"] for check in document["checks"]] == [True] * 8
    assert lines[0] == f"{tmp_path}, version 1, of data/vectors version 1"
    assert "ok  rows      6 that may be hits, in 1 segment" in lines
    assert "ok  forgotten not known: data/vectors cannot be asked" in lines
    assert lines[-1] == "whole: every promise holds"


def test_a_damaged_one_names_its_files(tmp_path: Path) -> None:
    (segment,) = built(str(tmp_path), range(6)).segments
    (tmp_path / "parts" / segment.part.name / ROWS).unlink()
    told = verify_any(str(tmp_path))
    assert (told.exit_code, told.document()["whole"]) == (1, False)
    assert [one["check"] for one in told.document()["problems"]] == ["files", "rows"]
    assert "NO  files     1 problem below; promised: 2 files, " in told.text()
    assert f"files     parts/{segment.part.name}/{ROWS}: missing; build the index again" in told.text()


def test_a_version_that_is_not_there(tmp_path: Path) -> None:
    built(str(tmp_path), range(6))
    assert verify_any(str(tmp_path), 1).document()["version"] == read_manifest(str(tmp_path)).version
    with pytest.raises(InputError, match="no version 7"):
        verify_any(str(tmp_path), 7)
