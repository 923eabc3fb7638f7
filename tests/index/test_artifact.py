"""The manifest: written once, read back equal, and refused where this Deglu cannot read it."""

import json
from pathlib import Path
from typing import Any

import pytest

from embed.errors import InputError
from index.artifact import newest_version, publish, read_manifest


def test_read_back_equal(storage_url: str, vectors_of: Any, build_at: Any) -> None:
    assert newest_version(storage_url) == 0
    manifest, _ = build_at(storage_url, vectors_of(text=[[1, 0]]))
    assert newest_version(storage_url) == 1
    assert read_manifest(storage_url) == read_manifest(storage_url, 1) == manifest


def test_one_of_two_publishers_wins(storage_url: str, vectors_of: Any, build_at: Any) -> None:
    manifest, _ = build_at(storage_url, vectors_of(text=[[1, 0]]))
    other = manifest.model_copy(update={"rows": 9})
    assert not publish(storage_url, other)
    assert read_manifest(storage_url) == manifest


def test_a_vectors_dataset_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "00000001.json").write_text('{"format": 1, "number": 1}')
    with pytest.raises(InputError, match="no manifest of an index; ask an index, as `deglu index SPEC` writes it"):
        read_manifest(str(tmp_path))


def test_a_format_of_another_time(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    build_at(str(tmp_path), vectors_of(text=[[1, 0]]))
    place = tmp_path / "versions" / "00000001.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "format": 99}))
    with pytest.raises(InputError, match="index format 99, this Deglu reads 2; build it again"):
        read_manifest(str(tmp_path))
