"""What the index knows of its rows: by id, in any order, and which ones a filter keeps."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.errors import InputError
from embed.tables import PROVENANCE
from index.filter import parse_where
from index.kept import kept_rows
from index.parts import provenance as provenance_module
from index.parts.provenance import Provenance, Stretch


@pytest.fixture
def stretches(tmp_path: Path, vectors_of: Any) -> list[Stretch]:
    """Speech 0-3 and, appended later, 20-21; text 4-9: in the order of a manifest, with a gap."""
    table = vectors_of(speech=[[1, 0]] * 6, text=[[1, 0]] * 6).table.select(PROVENANCE.names)
    parts = []
    for number, (modality, first, rows) in enumerate(
        [("speech", 0, table.slice(6, 4)), ("speech", 20, table.slice(10, 2)), ("text", 4, table.slice(0, 6))]
    ):
        pq.write_table(rows, tmp_path / f"{number}.parquet")
        parts.append(Stretch(modality, first, len(rows), tmp_path / f"{number}.parquet"))
    return parts


def _uris(provenance: Provenance, ids: Any) -> list[str]:
    found: list[str] = provenance.rows(np.array(ids, np.int64), "index")["uri"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("ids", "uris"),
    [
        ([0], ["speech/0"]),
        ([21, 4, 3, 21], ["speech/5", "text/0", "speech/3", "speech/5"]),
        ([9, 8, 20, 0], ["text/5", "text/4", "speech/4", "speech/0"]),
        ([], []),
    ],
    ids=str,
)
def test_rows_come_in_the_order_of_their_ids(ids: Any, uris: Any, stretches: list[Stretch]) -> None:
    provenance = Provenance(stretches, {})
    assert _uris(provenance, ids) == uris
    assert provenance.rows(np.array(ids, np.int64), "index").schema.equals(PROVENANCE)


@pytest.mark.parametrize("unknown", [-1, 10, 19, 22, 10**12])
def test_an_unknown_id_is_named(unknown: int, stretches: list[Stretch]) -> None:
    with pytest.raises(InputError, match=f"index: no row {unknown} in this version; use ids of hits of this version"):
        _uris(Provenance(stretches, {}), [0, unknown, 5])


def test_an_index_without_rows_knows_none() -> None:
    provenance = Provenance([], {})
    assert _uris_of_nothing(provenance) == 0
    with pytest.raises(InputError, match="no row 0"):
        provenance.rows(np.array([0]), "index")


def _uris_of_nothing(provenance: Provenance) -> int:
    return int(provenance.rows(np.array([], np.int64), "index").num_rows)


def _masks(kept: Any) -> list[Any]:
    return [None if one is None else one.mask().tolist() for one in kept]


NONE_REMOVED: Any = {"speech": [None, None], "text": [None]}


def test_a_filter_keeps_rows_of_each_segment(stretches: list[Stretch]) -> None:
    where = parse_where("metadata['number'] in ('1', '5')")
    provenance = Provenance(stretches, NONE_REMOVED)
    assert _masks(provenance.kept("speech", where)) == [[False, True, False, False], [False, True]]
    assert _masks(provenance.kept("text", where)) == [[False, True, False, False, False, True]]
    assert _masks(provenance.kept("text", parse_where("metadata['number'] < 'a'"))) == [None]
    assert provenance.kept("speech") == [None, None]


def test_a_filter_brings_no_removed_row_back(stretches: list[Stretch]) -> None:
    live = kept_rows([np.array([True, False, True, True]), np.array([True, True])])
    provenance = Provenance(stretches, {"speech": live})
    assert _masks(provenance.kept("speech")) == [[True, False, True, True], None]
    kept = provenance.kept("speech", parse_where("metadata['number'] < '2'"))
    assert _masks(kept) == [[True, False, False, False], [False, False]]


def test_filters_are_remembered_the_last_ones(stretches: list[Stretch], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance_module, "FILTERS", 2)
    provenance = Provenance(stretches, NONE_REMOVED)

    def ask(where: str) -> Any:
        return provenance.kept("text", parse_where(where))

    first, second = ask("true"), ask("false")
    assert ask("true") is first
    ask("lang = 'en'")  # the third: that asked for longest ago goes
    assert ask("true") is first
    stretches[2].file.unlink()
    assert ask("true") is first
    with pytest.raises(FileNotFoundError):
        ask("false")
    assert second[0].count == 0


@pytest.mark.parametrize(("skip", "rows"), [(0, 10), (3, 4), (4, 4), (9, 1), (0, 1)])
def test_a_stretch_reads_only_the_row_groups_that_hold_it(
    skip: int, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "provenance.parquet"
    pq.write_table(pa.table({"number": range(10), "name": list("abcdefghij")}), file, row_group_size=4)
    groups, read = pq.ParquetFile.read_row_groups, []

    def noted(own: pq.ParquetFile, some: list[int], **how: Any) -> pa.Table:
        read.append(some)
        return groups(own, some, **how)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)
    found = Stretch("text", 100, rows, file, skip).read(["number"])
    assert found.column_names == ["number"]
    assert found["number"].to_pylist() == list(range(skip, skip + rows))
    assert read == [
        [group for group in range(3) if set(range(4 * group, 4 * group + 4)) & set(range(skip, skip + rows))]
    ]
