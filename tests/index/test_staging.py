"""Files of an index, local and on S3: found, fetched once, and refused when they are not what was published."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed import store
from embed.errors import StorageError
from index.search import open_index

FILES = ["prefix.faiss", "rows.f16.npy", "provenance.parquet"]
QUERY = np.array([[1.0, 0.0]], np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEGLU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _file(url: str, manifest: Any, name: str) -> str:
    return store.join(url, "segments", manifest.segments[0].name, name)


def test_opens_and_answers(storage_url: str, vectors_of: Any, build_at: Any) -> None:
    manifest, _ = build_at(storage_url, vectors_of(speech=[[0, 1]], text=[[1, 0], [0, 1]]), shortlist_dim=2)
    index = open_index(storage_url)
    assert index.manifest == manifest
    assert index.rows(index.search(QUERY, 1, modality="text").ids[0])["text"].to_pylist() == ["passage 0"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["a bit flipped", "cut short", "gone"])
def test_damage_is_named_and_building_again_mends_it(
    harm: str, name: str, storage_url: str, vectors_of: Any, build_at: Any
) -> None:
    vectors = vectors_of(text=[[1, 0], [0, 1]])
    manifest, _ = build_at(storage_url, vectors, shortlist_dim=2)
    file = _file(storage_url, manifest, name)
    data = store.read_bytes(file)
    if harm == "gone":
        store.delete([file])
    else:
        store.write_bytes(file, data[:-1] + (bytes([data[-1] ^ 1]) if harm == "a bit flipped" else b""))
    with pytest.raises(
        StorageError, match=rf"{name}: .*(damaged|missing|bytes where).*run the same `deglu index SPEC`"
    ):
        open_index(storage_url)
    assert build_at(storage_url, vectors, shortlist_dim=2)[1] is False
    assert len(open_index(storage_url)) == 2


def test_a_damaged_manifest(storage_url: str, vectors_of: Any, build_at: Any) -> None:
    build_at(storage_url, vectors_of(text=[[1, 0]]), shortlist_dim=2)
    place = store.join(storage_url, "versions", "00000001.json")
    store.write_bytes(place, store.read_bytes(place)[:-20])
    with pytest.raises(StorageError, match=r"00000001.json: damaged manifest"):
        open_index(storage_url)


@pytest.mark.s3
def test_a_remote_index_is_fetched_once(s3_url: str, cache: Path, vectors_of: Any, build_at: Any) -> None:
    url = store.join(s3_url, "fetched-once")
    manifest, _ = build_at(url, vectors_of(text=[[1, 0], [0, 1]]), shortlist_dim=2)
    open_index(url)
    copy = cache / "segments" / manifest.segments[0].name
    assert sorted(path.name for path in copy.iterdir()) == sorted(FILES)
    store.delete([_file(url, manifest, name) for name in FILES])
    assert len(open_index(url)) == 2


@pytest.mark.s3
def test_a_damaged_copy_in_the_cache_says_what_to_remove(
    s3_url: str, cache: Path, vectors_of: Any, build_at: Any
) -> None:
    url = store.join(s3_url, "damaged-copy")
    manifest, _ = build_at(url, vectors_of(text=[[1, 0], [0, 1]]), shortlist_dim=2)
    open_index(url)
    copy = cache / "segments" / manifest.segments[0].name
    (copy / "rows.f16.npy").write_bytes(b"short")
    with pytest.raises(StorageError, match=f"5 bytes where the manifest says .*remove {copy}"):
        open_index(url)
