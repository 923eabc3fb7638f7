"""The manifest: written once, read back equal, and refused where this Deglu cannot read it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embed.errors import InputError, StorageError
from embed.storage import store
from embed.storage.numbered_log import create_entry, entry_url, newest_number, numbers, opened, sealed
from index.ladder import Curve, Point, Setting
from index.parts.artifact import (
    FORMAT,
    FileEntry,
    Lineage,
    Manifest,
    ModalityEntry,
    PartEntry,
    SegmentEntry,
    TopScores,
    read_manifest,
)
from index.spec import IndexSpec

CODER, ROUTER, REMOVED = (
    PartEntry(name=name, files={"file": FileEntry(bytes=1, sha256="0" * 64)}) for name in ("coder", "router", "removed")
)
SETTING = Setting(depth=8.0, shortlist=100, exact=20)
POINT = Point(setting=SETTING, recall={"rows": 0.995}, low=0.99, rows_read=0.1, ms_one=1.0, ms_many=0.1)
CURVE = Curve(dim=8, k=10, queries={"rows": 500}, points=(POINT,))


def _segment(number: int) -> SegmentEntry:
    part = PartEntry(name=f"rows-{number}", files={"rows.f16.npy": FileEntry(bytes=16, sha256="1" * 64)})
    return SegmentEntry(part=part, modality="text", first_id=number, rows=1, coded=True, encoder="e", drift=1.0)


def _manifest(url: str, version: int = 1, **other: Any) -> Manifest:
    text = ModalityEntry(coder=CODER, router=ROUTER, curves=(CURVE,), top_scores={8: TopScores(mean=3.0, std=1.0)})
    whole = Manifest(
        format=FORMAT,
        version=version,
        spec=IndexSpec(vectors="data/vectors", output=url),
        space="space-1",
        dims=(8, 4),
        metric="cosine",
        rows=2,
        segments=(_segment(0), _segment(1)),
        modalities={"text": text},
        removed=REMOVED,
        lineage=Lineage(url="data/vectors", version=1, sha256=None, settings={"encoder": {"model": "demo"}}),
    )
    return whole.model_copy(update=other)


def test_read_back_equal(storage_url: str) -> None:
    assert newest_number(storage_url) == 0
    first, second = _manifest(storage_url), _manifest(storage_url, 2)
    assert create_entry(storage_url, first)
    assert create_entry(storage_url, second)
    assert numbers(storage_url) == [1, 2]
    assert read_manifest(storage_url) == read_manifest(storage_url, 2) == second
    assert read_manifest(storage_url, 1) == first


def test_one_of_two_publishers_wins(storage_url: str) -> None:
    manifest = _manifest(storage_url)
    assert create_entry(storage_url, manifest)
    assert not create_entry(storage_url, _manifest(storage_url, rows=9))
    assert read_manifest(storage_url) == manifest


def test_every_part_once() -> None:
    manifest = _manifest("out")
    speech = manifest.modalities["text"].model_copy(update={"router": None})
    both = manifest.model_copy(update={"modalities": {"text": manifest.modalities["text"], "speech": speech}})
    assert [part.name for part in both.parts] == ["rows-0", "rows-1", "coder", "router", "removed"]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"version": 2}, True),
        ({"spec": IndexSpec(vectors="data/vectors", output="elsewhere", device="cpu", workers=3)}, True),
        ({"spec": IndexSpec(vectors="data/vectors", output="out", recall=0.9)}, False),
        ({"rows": 3}, False),
        ({"segments": (_segment(0),)}, False),
        ({"removed": None}, False),
        ({"modalities": {}}, False),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_same_index(other: dict[str, Any], same: bool) -> None:
    assert _manifest("out").calls_same(_manifest("out", **other)) is same


def test_times_measured_anew_are_the_same_index() -> None:
    manifest = _manifest("out")
    slower = CURVE.model_copy(update={"points": (POINT.model_copy(update={"ms_one": 2.0}),)})
    again = {"text": manifest.modalities["text"].model_copy(update={"curves": (slower,)})}
    assert manifest.calls_same(manifest.model_copy(update={"modalities": again}))


@pytest.mark.parametrize(
    ("version", "problem"),
    [(None, "no index here; build one with `deglu index SPEC`"), (3, "no version 3 here; build one")],
)
def test_nothing_here(version: int | None, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        read_manifest(str(tmp_path), version)


def _changed(**other: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda values: values | other


def _without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda values: {key: value for key, value in values.items() if key != name}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_without("kind"), "not the manifest of an index; give an index, as `deglu index SPEC` writes it"),
        (_changed(kind="vectors"), "not the manifest of an index"),
        (_changed(format=1), "index format 1, this Deglu reads 3; build it again"),
        (_changed(format=99), "index format 99, this Deglu reads 3; build it again"),
        (_without("format"), "index format None, this Deglu reads 3; build it again"),
    ],
    ids=["no kind", "another kind", "format before", "format to come", "no format"],
)
def test_not_of_this_kind_and_format(change: Callable[[dict[str, Any]], Any], problem: str, tmp_path: Path) -> None:
    place = _published(tmp_path)
    place.write_bytes(sealed(change(opened(place.read_bytes()))))
    with pytest.raises(InputError, match=problem):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        _without("segments"),
        _changed(rows="many"),
        _changed(surprise=1),
        _changed(metric="euclid"),
        _changed(segments=[{}]),
        lambda values: [values],
        lambda values: None,
    ],
    ids=["a field less", "another type", "a field more", "metric", "segments", "a list", "null"],
)
def test_damaged_values(change: Callable[[dict[str, Any]], Any], tmp_path: Path) -> None:
    place = _published(tmp_path)
    place.write_text(json.dumps(change(opened(place.read_bytes()))))
    with pytest.raises(StorageError, match=r"00000001.json: damaged manifest; build the index again"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe{}", b'"index"'], ids=range(4))
def test_damaged_bytes(data: bytes, tmp_path: Path) -> None:
    _published(tmp_path).write_bytes(data)
    with pytest.raises(StorageError, match=r"00000001.json: damaged manifest"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_cut_short(share: float, storage_url: str) -> None:
    create_entry(storage_url, _manifest(storage_url))
    place = entry_url(storage_url, 1)
    data = store.read_bytes(place)
    store.write_bytes(place, data[: int(len(data) * share)])
    with pytest.raises(StorageError, match=r"00000001.json: damaged manifest"):
        read_manifest(storage_url)


def test_what_is_no_version_is_passed_over(tmp_path: Path) -> None:
    _published(tmp_path)
    for name in ("draft.json", "00000007.json.tmp", "README"):
        (tmp_path / "versions" / name).touch()
    assert numbers(str(tmp_path)) == [1]


def _published(folder: Path) -> Path:
    create_entry(str(folder), _manifest(str(folder)))
    return folder / "versions" / "00000001.json"


@pytest.mark.parametrize("name", ["../a", "a/b", "", "..", ".lock", "/etc", "a\n"])
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="no plain name of a file"):
        PartEntry(name=name, files={})
    with pytest.raises(ValueError, match="no plain name of a file"):
        PartEntry(name="a", files={name: FileEntry(bytes=0, sha256="")})
