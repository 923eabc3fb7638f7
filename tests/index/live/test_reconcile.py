"""Rows of an index beside those of its dataset: lost, there again, new."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from embed.tables import ID
from index.building.survey import survey
from index.live.reconcile import counted, encoders_of_new, ids_of_survey, lost_rows, still_removed, stored_ids
from index.parts.artifact import DELETED, REPLACED
from index.parts.removed import removing, rewritten
from tests.index.living import Rows, asset, built, segment

NO_ASSET = pa.array([], ID)


def ids(*numbers: int) -> pa.Array:
    return pa.array([segment(number) for number in numbers], ID)


def test_lost_rows_have_their_reason(tmp_path: Path) -> None:
    url = str(tmp_path)
    manifest = built(url, range(6), range(100, 102))
    stored = stored_ids(url, manifest)
    assert sorted(pa.concat_arrays([*stored.values()]).to_pylist()) == sorted(ids(*range(6), 100, 101).to_pylist())
    before = removing(Rows().table, np.array([], np.int64), "x", REPLACED)
    lost = lost_rows(url, manifest, stored, before, ids(0, 1, 4, 100), pa.array([asset(2)], ID))
    assert {(row["segment_id"], row["reason"]) for row in lost.to_pylist()} == {
        (segment(2), "forgotten"),
        (segment(3), "forgotten"),
        (segment(5), "replaced"),
        (segment(101), "replaced"),
    }
    assert counted(manifest, lost) == {"forgotten": {"text": 2}, "replaced": {"text": 1, "speech": 1}}
    assert lost_rows(url, manifest, stored, lost, ids(0, 1, 4, 100), NO_ASSET).num_rows == 0


def test_what_is_there_again_is_no_longer_removed_unless_it_was_deleted() -> None:
    table = Rows(range(4)).table
    removed = pa.concat_tables(
        [removing(table, np.array([0, 1]), "a", REPLACED), removing(table, np.array([2, 3]), "a", DELETED)]
    )
    kept, restored = still_removed(removed, ids(1, 2, 3), NO_ASSET)
    assert (kept["segment_id"].to_pylist(), restored) == ([segment(0), segment(2), segment(3)], 1)
    kept, restored = still_removed(removed, ids(), pa.array([asset(2)], ID))
    assert (kept["reason"].to_pylist(), restored) == (["replaced", "replaced", "forgotten", "forgotten"], 0)
    kept, _ = still_removed(rewritten(removed), ids(), pa.array([asset(2)], ID))
    assert kept.num_rows == 0


def test_modalities_with_new_rows() -> None:
    found = survey(Rows(range(4), range(100, 102)), "data/vectors")
    assert sorted(ids_of_survey(found).to_pylist()) == sorted(ids(0, 1, 2, 3, 100, 101).to_pylist())
    assert encoders_of_new(found, ids(0, 1, 2, 3)) == {"speech": "encoder-1"}
    assert encoders_of_new(found, ids(0, 1, 2, 3, 100, 101)) == {}
    assert encoders_of_new(found, NO_ASSET) == {"speech": "encoder-1", "text": "encoder-1"}
