"""Building: the same bytes again, versions, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from embed.errors import AlreadyPublished, SpecError
from embed.tables import PROVENANCE
from index import build as build_module
from index.search import open_index


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_builds_give_the_same_bytes_and_ids(
    tmp_path: Path, vectors_of: Any, nested_rows: Any, build_at: Any, as_vectors: Any
) -> None:
    vectors = vectors_of(nested_rows(300, 16, 1), nested_rows(700, 16, 2), (16, 8, 4))
    shuffled = vectors.table.take(pa.array(np.random.default_rng(0).permutation(1_000)))
    build_at(str(tmp_path / "one"), vectors, shortlist_dim=8)
    build_at(str(tmp_path / "two"), as_vectors(shuffled, (16, 8, 4), batch_rows=77), shortlist_dim=8)
    one, two = _files(tmp_path / "one"), _files(tmp_path / "two")
    assert one.keys() == two.keys()
    segments = [name for name in one if name.startswith("segments/")]
    assert len(segments) == 6
    assert all(one[name] == two[name] for name in segments)
    ids = open_index(str(tmp_path / "one")).rows(range(1_000))["segment_id"].to_pylist()
    assert ids == open_index(str(tmp_path / "two")).rows(range(1_000))["segment_id"].to_pylist()
    assert ids == sorted(ids[:300]) + sorted(ids[300:])


def test_rows_carry_the_provenance(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    vectors = vectors_of(speech=[[1, 0], [0, 1]], text=[[1, 0]], dims=(2,))
    build_at(str(tmp_path), vectors, shortlist_dim=2)
    found = open_index(str(tmp_path)).rows([2, 0, 1, 2])
    assert found.schema.equals(PROVENANCE)
    originals = {row["segment_id"]: row for row in vectors.table.drop_columns("vector").to_pylist()}
    assert all(originals[row["segment_id"]] == row for row in found.to_pylist())
    assert found["text"].to_pylist() == ["passage 0", None, None, "passage 0"]


def test_the_manifest_explains_the_index(tmp_path: Path, vectors_of: Any, nested_rows: Any, build_at: Any) -> None:
    vectors = vectors_of(nested_rows(30, 16, 1), nested_rows(70, 16, 2), (16, 8))
    manifest, published = build_at(str(tmp_path), vectors, shortlist_dim=8, shortlist_depth=40)
    assert published
    assert (manifest.version, manifest.rows, manifest.dims, manifest.space) == (1, 100, (16, 8), "space-1")
    assert [(s.modality, s.first_id, s.rows, s.encoder) for s in manifest.segments] == [
        ("speech", 0, 30, "speech-encoder"),
        ("text", 30, 70, "text-encoder"),
    ]
    assert manifest.calibration["speech"].recall_at_10 == 1.0  # 40 candidates of 30 rows
    assert 0.5 < manifest.calibration["text"].recall_at_10 <= 1.0
    assert set(manifest.calibration["text"].top_scores) == {16, 8}
    assert manifest.lineage.url == "data/vectors"


def test_the_same_build_again_publishes_nothing(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    vectors = vectors_of(text=[[1, 0], [0, 1]])
    first, _ = build_at(str(tmp_path), vectors, shortlist_dim=2)
    second, published = build_at(str(tmp_path), vectors, shortlist_dim=2)
    assert (second, published) == (first, False)
    assert [path.name for path in (tmp_path / "versions").iterdir()] == ["00000001.json"]


def test_other_rows_make_the_next_version_and_keep_the_first(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    build_at(str(tmp_path), vectors_of(text=[[1, 0], [0, 1]]), shortlist_dim=2)
    manifest, published = build_at(str(tmp_path), vectors_of(text=[[1, 0], [0, 1], [-1, 0]]), shortlist_dim=2)
    assert published
    assert manifest.version == 2
    assert len(open_index(str(tmp_path))) == 3
    assert len(open_index(str(tmp_path), version=1)) == 2


def test_other_settings_are_refused_unless_a_new_version_is_asked_for(
    tmp_path: Path, vectors_of: Any, build_at: Any
) -> None:
    vectors = vectors_of(text=np.eye(4), dims=(4, 2))
    build_at(str(tmp_path), vectors, shortlist_dim=4)
    with pytest.raises(SpecError, match=r"shortlist_dim 4 -> 2.*--new-version"):
        build_at(str(tmp_path), vectors, shortlist_dim=2)
    manifest, _ = build_at(str(tmp_path), vectors, shortlist_dim=2, new_version=True)
    assert manifest.version == 2


def test_a_dim_that_is_not_declared(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    with pytest.raises(SpecError, match=r"shortlist_dim = 3: data/vectors declares the dims 4, 2; choose one"):
        build_at(str(tmp_path), vectors_of(text=np.eye(4), dims=(4, 2)), shortlist_dim=3)
    assert not list(tmp_path.iterdir())


def test_the_second_publisher_of_a_version_is_told(
    tmp_path: Path, vectors_of: Any, build_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both saw no version when they began."""
    build_at(str(tmp_path), vectors_of(text=[[1, 0]]), shortlist_dim=2)
    monkeypatch.setattr(build_module, "newest_version", lambda url: 0)
    with pytest.raises(AlreadyPublished, match="another build published version 1 first; run this again"):
        build_at(str(tmp_path), vectors_of(text=[[0, 1], [1, 0]]), shortlist_dim=2)
    assert len(open_index(str(tmp_path))) == 1


def test_a_row_whose_prefix_is_zero_is_found_at_full_width(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    build_at(str(tmp_path), vectors_of(text=np.eye(4), dims=(4, 2)), shortlist_dim=2)
    index = open_index(str(tmp_path))
    hits = index.search(np.eye(4, dtype=np.float32)[[3]], k=1, modality="text", depth=4)
    assert dict(index.rows(hits.ids[0])["metadata"].to_pylist()[0])["number"] == "3"
