"""`deglu verify` says of a dataset or an index what holds, and what not by file, place and unit, and by exit code."""

import json
import shutil
from pathlib import Path

import pytest

from embed.check import Check, Problem
from embed.dataset import open_dataset
from embed.errors import InputError
from index.parts.artifact import ROWS, read_manifest
from jobs.__main__ import run
from jobs.operate.verify import Report, _place, verify
from tests.embed.sounds import write_archive
from tests.embed.verify.test_verify import embed
from tests.index.living import built


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("verify")
    write_archive(root / "archive")
    embed(root / "archive", str(root / "out"))
    return root / "out"


def test_a_whole_dataset(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = verify(str(whole))
    assert found.exit_code == 0
    assert found.document()["whole"] is True
    assert [check["holds"] for check in found.document()["checks"]] == [True] * 11
    lines = found.text().splitlines()
    assert lines[0].startswith(f"{whole}, version 1 of ")
    assert "ok  units     4 listed = 4 embedded + 0 failed + 0 skipped" in lines
    assert lines[-1] == "whole: every check passed"
    assert run(["verify", str(whole)]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == lines
    assert all(line.startswith("verifying: ") for line in captured.err.splitlines())  # none where that is quick


def test_a_damaged_one_names_its_units(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = shutil.copytree(whole, tmp_path / "out")
    Path(open_dataset(str(place)).files()[0]).unlink()
    assert run(["verify", str(place), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["whole"] is False
    assert [check["check"] for check in document["checks"] if not check["holds"]] == ["files", "rows"]
    tones = [one for one in document["problems"] if one["uri"] == "archive/tones.wav"]
    assert sorted((one["start"], one["end"]) for one in tones) == [(0, 10_000), (10_000, None)]
    assert all(len(one["unit_id"]) == 32 for one in tones)
    text = verify(str(place)).text()
    assert "NO  files     1 problem below; expected: 5 files, " in text
    assert "NOT whole: 5 problems" in text
    assert "rows      archive/tones.wav, 10 - end s (unit " in text


def test_of_many_problems_the_first_are_told() -> None:
    check = Check("rows", "", tuple(Problem(f"problem {number}") for number in range(1200)))
    lines = Report("title", {}, [check], by_unit=True).text().splitlines()[3:]
    assert (lines[1], lines[20]) == ("rows      problem 0", "rows      problem 19")
    assert lines[21] == "and 1,180 more: --json has all of them"


@pytest.mark.parametrize(
    ("problem", "place"),
    [
        (Problem("x"), ""),
        (Problem("x", b"\x01"), "unit 01: "),
        (Problem("x", b"\x01", "a.txt", "text", 0, None), "a.txt (unit 01): "),
        (Problem("x", b"\x01", "a.txt", "text", 100, 200), "a.txt, 100 - 200 (unit 01): "),
        (Problem("x", b"\x01", "a.wav", "speech", 600_000, None), "a.wav, 600 - end s (unit 01): "),
    ],
)
def test_the_place_of_a_problem(problem: Problem, place: str) -> None:
    assert _place(problem) == place


def test_a_version_that_is_not_there(whole: Path) -> None:
    with pytest.raises(InputError, match="no version 7; published: 1"):
        verify(str(whole), 7)


def test_a_whole_index(tmp_path: Path) -> None:
    built(str(tmp_path), range(6))
    told = verify(str(tmp_path))
    document, lines = told.document(), told.text().splitlines()
    assert (told.exit_code, document["whole"], document["version"], document["problems"]) == (0, True, 1, [])
    assert [check["holds"] for check in document["checks"]] == [True] * 8
    assert lines[0] == f"{tmp_path}, version 1, of data/vectors version 1"
    assert "ok  rows      6 that may be hits, in 1 segment" in lines
    assert "ok  forgotten not known: data/vectors cannot be read" in lines
    assert lines[-1] == "whole: every check passed"


def test_a_damaged_index_names_its_files(tmp_path: Path) -> None:
    (segment,) = built(str(tmp_path), range(6)).segments
    (tmp_path / "parts" / segment.part.name / ROWS).unlink()
    told = verify(str(tmp_path))
    assert (told.exit_code, told.document()["whole"]) == (1, False)
    assert [one["check"] for one in told.document()["problems"]] == ["files", "rows"]
    assert "NO  files     1 problem below; expected: 2 files, " in told.text()
    assert f"files     parts/{segment.part.name}/{ROWS}: missing; build the index again" in told.text()


def test_a_version_of_an_index_that_is_not_there(tmp_path: Path) -> None:
    built(str(tmp_path), range(6))
    assert verify(str(tmp_path), 1).document()["version"] == read_manifest(str(tmp_path)).version
    with pytest.raises(InputError, match="no version 7"):
        verify(str(tmp_path), 7)
