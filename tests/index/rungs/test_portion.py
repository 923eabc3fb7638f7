"""Portions of a segment: together all rows, each once and in order; damaged files are refused."""

from pathlib import Path

import numpy as np
import pytest

from embed.errors import StorageError
from index.faiss_library import library
from index.parts.artifact import CODES, ROWS, ROWS_8, SCALES, SegmentEntry
from index.parts.write import part_of
from index.rungs.portion import Portion, read_portion
from index.rungs.segment import Segment
from tests.index.shelves import clustered, coder_of, segment

N, FIRST_ID = 400, 1_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a segment with ten lists, of which some are empty."""
    place, rows = tmp_path_factory.mktemp("segment"), clustered(N, 1)
    whole = segment(rows, coder_of(rows, lists=10))
    library().write_index(whole.codes, str(place / CODES))
    for name, array in ((ROWS, whole.rows), (ROWS_8, whole._rows_8), (SCALES, whole._scales)):
        assert array is not None
        np.save(place / name, array)
    return place


def entry(folder: Path, coded: bool = True, rows: int = N) -> SegmentEntry:
    part = part_of("rows-text", folder)
    return SegmentEntry(part=part, modality="text", first_id=FIRST_ID, rows=rows, coded=coded, encoder="e", drift=None)


@pytest.mark.parametrize("coded", [True, False], ids=["coded", "flat"])
@pytest.mark.parametrize("count", [1, 3, 50])
def test_portions_together_are_the_segment(count: int, coded: bool, folder: Path) -> None:
    named, whole = entry(folder, coded), Segment.load(folder, entry(folder, coded))
    parts = [Segment.load(folder, named, Portion(number, count)) for number in range(count)]
    assert np.concatenate([one.rows for one in parts]).tobytes() == whole.rows.tobytes()
    firsts = np.cumsum([0, *map(len, parts)])[:-1] + FIRST_ID
    assert [one.first_id for one in parts if len(one)] == [
        at for at, one in zip(firsts, parts, strict=True) if len(one)
    ]
    if coded:
        sizes = whole.list_sizes().tolist()
        assert np.sum([one.list_sizes() for one in parts], axis=0).tolist() == sizes
        assert all(one.whole_sizes is not None and one.whole_sizes.tolist() == sizes for one in parts)
        assert np.concatenate([one.lists() for one in parts]).tolist() == whole.lists().tolist()


def test_lists_are_divided_by_rows() -> None:
    sizes = np.array([10, 0, 10, 10, 30, 0])
    assert [Portion(number, 3).of_lists(sizes) for number in range(3)] == [(0, 3), (3, 4), (4, 6)]
    for count in range(1, 9):
        borders = [Portion(number, count).of_lists(sizes) for number in range(count)]
        assert [borders[0][0], borders[-1][1]] == [0, 6]
        assert [end for _, end in borders[:-1]] == [first for first, _ in borders[1:]]


@pytest.mark.parametrize("damage", ["cut", "longer", "order", "other", "rows", "empty"])
def test_damaged_files_are_refused(damage: str, folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    data = (folder / CODES).read_bytes()
    if damage == "rows":
        np.save(tmp_path / ROWS, np.load(folder / ROWS)[:-1])
    changed: dict[str, bytes] = {
        "cut": data[: len(data) * 2 // 3],
        "longer": data + b"12345678",
        "order": data.replace((7).to_bytes(8, "little"), (9).to_bytes(8, "little")),
        "other": b"IxFI" + bytes(100),
        "empty": b"",
    }
    (tmp_path / CODES).write_bytes(changed.get(damage, data))
    with pytest.raises(StorageError, match=r"unreadable segment .*; build the index again"):
        Segment.load(tmp_path, entry(tmp_path), Portion(0, 2))


def test_a_portion_of_codes_knows_the_whole(folder: Path) -> None:
    found = read_portion(folder / CODES, Portion(1, 2))
    assert found.codes.ntotal == found.end - found.first
    assert found.sizes.sum() == N
