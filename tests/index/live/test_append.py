"""What a dataset has got or lost is in the index after an append; nothing else is."""

import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from embed.errors import FingerprintMismatch, InputError
from embed.storage.store import create_exclusive
from embed.tables import ID
from index.filter import parse_where
from index.live.append import append
from index.live.compact import compact
from index.live.delete import delete
from index.parts.artifact import read_manifest
from index.parts.removed import read_removed
from tests.index.living import Rows, appended, asset, built, lineage, live


@pytest.mark.parametrize("coded", [False, True], ids=["flat", "coded"])
def test_new_rows_become_a_segment_and_lost_ones_are_removed(tmp_path: Path, coded: bool) -> None:
    url = str(tmp_path)
    first = built(url, range(20), range(100, 104), coded)
    told = appended(url, range(2, 25), range(101, 104), forgotten=[0])
    assert told.published
    assert told.added == {"text": 5}
    assert told.removed == {"forgotten": {"text": 2}, "replaced": {"speech": 1}}
    manifest = told.manifest
    assert (manifest.version, manifest.lineage.version, manifest.rows) == (2, 2, 26)
    assert live(url) == [*range(2, 25), 101, 102, 103]
    assert live(url, 1) == [*range(20), 100, 101, 102, 103]
    assert [segment.first_id for segment in manifest.segments] == [0, 4, 24]
    assert [segment.coded for segment in manifest.segments] == [coded] * 3
    assert manifest.segments[:2] == first.segments
    assert (manifest.segments[2].drift is not None) == coded
    assert manifest.modalities == first.modalities


def test_nothing_new_publishes_nothing(tmp_path: Path) -> None:
    url = str(tmp_path)
    first = built(url, range(6))
    told = appended(url, range(6))
    assert (told.published, told.manifest, told.warnings) == (False, first, ())
    appended(url, range(8))
    assert appended(url, range(8)).published is False


def test_an_older_version_of_the_dataset_changes_nothing(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(6))
    appended(url, range(8))
    told = append(url, Rows(range(6)), lineage(1))
    assert not told.published
    assert told.warnings == (f"{url} already has version 2 of data/vectors, which is newer than version 1",)
    assert live(url) == [*range(8)]


@pytest.mark.slow
def test_deleted_rows_never_come_back(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(10))
    delete(url, parse_where("start = 3"))
    appended(url, range(12))
    compact(url)
    appended(url, range(14))
    assert live(url) == [n for n in range(14) if n != 3]
    built(str(tmp_path), range(14))
    assert live(url) == [n for n in range(14) if n != 3]


def test_rows_that_the_dataset_has_again_are_restored(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(10))
    appended(url, range(8))
    told = appended(url, range(9))
    assert (told.restored, told.added, told.removed, live(url)) == (1, {}, {}, [*range(9)])
    compact(url)
    assert appended(url, range(10)).added == {"text": 1}
    assert read_removed(url, read_manifest(url)).num_rows == 0


def test_of_deleted_rows_of_a_forgotten_asset_no_name_is_kept(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(10))
    delete(url, parse_where("start = 3 or start = 4"))
    compact(url)
    appended(url, [0, 1, *range(4, 10)], forgotten=[2])
    assert [row["uri"] for row in read_removed(url, read_manifest(url)).to_pylist()] == ["text/1", "text/2"]
    compact(url)
    assert [row["uri"] for row in read_removed(url, read_manifest(url)).to_pylist()] == ["text/2"]


def test_everything_may_be_forgotten(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(4))
    appended(url, (), forgotten=range(4))
    assert (read_manifest(url).rows, live(url)) == (0, [])
    compact(url)
    assert read_manifest(url).segments == ()
    appended(url, range(4, 6))
    assert live(url) == [4, 5]


def test_a_modality_that_the_index_did_not_have(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(20), coded=True)
    told = appended(url, range(20), range(100, 103))
    assert told.added == {"speech": 3}
    assert [segment.coded for segment in told.manifest.segments] == [False, True]
    assert told.manifest.modalities["speech"].coder is None
    assert set(told.manifest.modalities["speech"].top_scores) == {8, 4}
    assert live(url) == [*range(20), 100, 101, 102]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (Rows(range(3), space="other"), "is in space space-1, data/vectors is in space other; build it again with"),
        (
            Rows(range(3), encoder="other"),
            "has text rows of encoder encoder-1, data/vectors now has rows of encoder other",
        ),
    ],
    ids=["space", "encoder"],
)
def test_vectors_of_another_encoder_are_refused(tmp_path: Path, vectors: Rows, message: str) -> None:
    url = str(tmp_path)
    built(url, range(6))
    with pytest.raises(FingerprintMismatch, match=message):
        append(url, vectors, lineage(2))
    assert live(url) == [*range(6)]


def test_another_dataset_is_refused_and_a_moved_one_is_not(tmp_path: Path) -> None:
    url = str(tmp_path)
    built(url, range(6))
    with pytest.raises(InputError, match="was built from data/vectors, and elsewhere has none of its rows; "):
        append(url, Rows(range(10, 14)), lineage(2, "elsewhere"))
    append(url, Rows(range(3, 8)), lineage(1, "elsewhere"))
    assert (live(url), read_manifest(url).lineage.url) == ([*range(3, 8)], "elsewhere")


def test_two_appends_at_once_add_each_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, seen = str(tmp_path), []
    built(url, range(6))

    def late(place: str, data: bytes) -> bool:
        seen.append(1)
        if len(seen) == 1:
            monkeypatch.setattr("embed.storage.numbered_log.create_exclusive", create_exclusive)
            appended(url, range(8))
            monkeypatch.setattr("embed.storage.numbered_log.create_exclusive", late)
        return create_exclusive(place, data)

    monkeypatch.setattr("embed.storage.numbered_log.create_exclusive", late)
    told = append(url, Rows(range(9)), lineage(3))
    assert (told.manifest.version, told.added, live(url)) == (3, {"text": 1}, [*range(9)])


@pytest.mark.slow
def test_what_suits_the_codes_badly_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = str(tmp_path)
    built(url, range(2000), coded=True)
    with caplog.at_level(logging.WARNING):
        like = appended(url, range(2200))
        assert (like.warnings, caplog.messages) == ((), [])
        strange = Rows(range(2400))
        vectors = strange.table["vector"].combine_chunks().flatten().to_numpy().reshape(-1, 8).copy()
        vectors[2200:] = np.eye(8, dtype=np.float16)[np.arange(200) % 8]
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8)
        strange.table = strange.table.set_column(16, strange.table.schema.field("vector"), column)
        told = append(url, strange, lineage(3), pa.array([asset(900)], ID))
    assert (told.manifest.segments[-1].drift or 0) > 1.1
    assert len(told.warnings) == 1
    assert "codes of the 200 new text rows have" in told.warnings[0]
    assert told.warnings[0].endswith("build again with `deglu index SPEC --new-version`")
    assert caplog.messages == [*told.warnings]
    drifts = [(segment.drift or 0) * segment.rows for segment in told.manifest.segments]
    assert [segment.drift for segment in compact(url).manifest.segments] == [pytest.approx(sum(drifts) / 2400)]
