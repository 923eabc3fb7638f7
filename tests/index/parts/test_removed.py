"""Removed rows are kept account of by part and position, and remembered without a place once the part is gone."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from index.parts.artifact import DELETED, FORGOTTEN, REMOVED, REPLACED, read_manifest
from index.parts.removed import (
    deleted_ids,
    live_rows,
    read_removed,
    removed_positions,
    removing,
    rewritten,
    store_removed,
    stored_removed,
)
from tests.index.living import Rows, built, segment

PROVENANCE = Rows(range(6)).table


def some() -> pa.Table:
    return pa.concat_tables(
        [
            removing(PROVENANCE, np.array([3, 1]), "a", DELETED),
            removing(PROVENANCE, np.array([0]), "b", REPLACED),
            removing(PROVENANCE.slice(4), np.array([1]), "b", FORGOTTEN, first=4),
        ]
    )


def test_removed_rows_have_a_place() -> None:
    table = some()
    assert table.schema == REMOVED
    assert table["segment_id"].to_pylist() == [segment(3), segment(1), segment(0), segment(5)]
    assert table["position"].to_pylist() == [3, 1, 0, 5]
    assert removed_positions(table, "a").tolist() == [1, 3]
    assert removed_positions(table, "c").tolist() == []
    assert (stored_removed(table), deleted_ids(table).to_pylist()) == (4, [segment(3), segment(1)])


def test_of_rewritten_parts_only_the_deleted_rows_are_remembered() -> None:
    one = rewritten(some(), {"b"})
    assert one["part"].to_pylist() == ["a", "a"]
    left = rewritten(rewritten(some()))
    assert left["segment_id"].to_pylist() == [segment(3), segment(1)]
    assert (left["part"].to_pylist(), left["position"].to_pylist()) == ([None, None], [None, None])
    assert (stored_removed(left), len(deleted_ids(left))) == (0, 2)


def test_a_part_of_removed_rows_is_named_by_its_rows_alone(tmp_path: Path) -> None:
    manifest = built(str(tmp_path), range(6))
    assert read_removed(str(tmp_path), manifest).num_rows == 0
    assert store_removed(str(tmp_path), REMOVED.empty_table()) is None
    entries = [store_removed(str(tmp_path), table) for table in (some(), some().take(pa.array([2, 0, 3, 1])))]
    assert entries[0] == entries[1]
    read = read_removed(str(tmp_path), manifest.model_copy(update={"removed": entries[0]}))
    assert sorted(map(str, read.to_pylist())) == sorted(map(str, some().to_pylist()))


def test_live_rows_are_those_not_removed(tmp_path: Path) -> None:
    (entry,) = read_manifest(str(tmp_path), built(str(tmp_path), range(4)).version).segments
    assert live_rows(some(), entry) is None
    rows = removing(PROVENANCE, np.array([2]), entry.part.name, REPLACED)
    live = live_rows(rows, entry)
    assert live is not None
    assert live.tolist() == [True, True, False, True]
