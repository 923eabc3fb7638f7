"""Building: the same bytes again, versions, going on after a kill, and what is refused."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embed.errors import AlreadyPublished, InputError, SpecError
from embed.storage.numbered_log import create_entry
from embed.tables import PROVENANCE
from index.building import build as build_module
from index.parts.artifact import DELETED, Manifest, part_url
from index.parts.removed import read_removed, removing, store_removed

pytestmark = pytest.mark.usefixtures("few_questions")

FLAT, CODED = {"ladder": "exact"}, {"ladder": "coded", "lists": 4}


class Told:
    """Progress, kept."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, float, float]] = []
        self.notes: list[str] = []
        self._now: tuple[str, float] = ("", 0)
        self._done = 0.0

    def begin(self, task: str, total: float, unit: str = "units") -> None:
        self._now, self._done = (task, total), 0

    def advance(self, units: float) -> None:
        self._done += units

    def note(self, text: str) -> None:
        self.notes.append(text)

    def end(self) -> None:
        self.phases.append((*self._now, self._done))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _provenance(url: Path, manifest: Manifest, modality: str) -> pa.Table:
    (entry,) = (entry for entry in manifest.segments if entry.modality == modality)
    return pq.read_table(Path(part_url(str(url), entry.part.name)) / "provenance.parquet")


@pytest.fixture(scope="module")
def vectors(vectors_of: Any, nested_rows: Any) -> Any:
    return vectors_of(nested_rows(300, 16, 1), nested_rows(700, 16, 2), (16, 8))


@pytest.fixture(scope="module")
def in_parts(vectors: Any, as_vectors: Any) -> Any:
    """The same rows in another order, in four parts of both modalities."""
    shuffled = vectors.table.take(pa.array(np.random.default_rng(0).permutation(1_000)))
    return as_vectors(shuffled, (16, 8), batch_rows=77, part_rows=250)


@pytest.mark.slow
@pytest.mark.parametrize("fields", [FLAT, CODED], ids=["flat", "coded"])
def test_two_builds_give_the_same_parts(
    fields: dict[str, Any], tmp_path: Path, vectors: Any, in_parts: Any, build_at: Any
) -> None:
    one, _ = build_at(str(tmp_path / "one"), vectors, **fields)
    two, _ = build_at(str(tmp_path / "two"), in_parts, in_tasks=_backwards, **fields)
    assert one.segments == two.segments
    coders = [entry.coder for entry in one.modalities.values()]
    assert coders == [entry.coder for entry in two.modalities.values()]
    assert all(coders) if fields is CODED else not any(coders)
    stored, again = (_files(tmp_path / name / "parts") for name in ("one", "two"))
    assert {name: stored[name] for name in again} == again


def _backwards(act: Any, parts: Sequence[Any]) -> Iterator[Any]:
    return map(act, reversed(parts))


def test_rows_carry_the_provenance(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    vectors = vectors_of(speech=[[1, 0], [0, 1]], text=[[1, 0]], dims=(2,))
    manifest, _ = build_at(str(tmp_path), vectors)
    found = pa.concat_tables([_provenance(tmp_path, manifest, modality) for modality in ("speech", "text")])
    assert found.schema.equals(PROVENANCE)
    originals = {row["segment_id"]: row for row in vectors.table.drop_columns("vector").to_pylist()}
    assert all(originals[row["segment_id"]] == row for row in found.to_pylist())
    assert found["text"].to_pylist() == [None, None, "passage 0"]


@pytest.mark.slow
def test_the_manifest_explains_the_index(tmp_path: Path, vectors: Any, build_at: Any) -> None:
    manifest, published = build_at(str(tmp_path), vectors, **CODED)
    assert published
    assert (manifest.version, manifest.rows, manifest.dims, manifest.space) == (1, 1_000, (16, 8), "space-1")
    assert [(s.modality, s.first_id, s.rows, s.coded, s.drift, s.encoder) for s in manifest.segments] == [
        ("speech", 0, 300, True, 1.0, "speech-encoder"),
        ("text", 300, 700, True, 1.0, "text-encoder"),
    ]
    assert set(manifest.modalities["text"].top_scores) == {16, 8}
    assert manifest.removed is None
    assert manifest.lineage.url == "data/vectors"
    kept = {path.name for path in (tmp_path / "parts").iterdir()}
    assert kept == {part.name for part in manifest.parts}
    assert {path.name for path in tmp_path.iterdir()} == {"parts", "versions"}


@pytest.mark.slow
def test_the_same_build_again_publishes_nothing_and_mends(tmp_path: Path, vectors: Any, build_at: Any) -> None:
    first, _ = build_at(str(tmp_path), vectors, **CODED)
    before = _files(tmp_path)
    for name in before:
        if name.startswith("parts/"):
            (tmp_path / name).write_bytes(b"damaged")
    second, published = build_at(str(tmp_path), vectors, **CODED)
    assert (second, published) == (first, False)
    assert _files(tmp_path) == before


def test_other_rows_make_the_next_version_and_keep_the_first(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    first, _ = build_at(str(tmp_path), vectors_of(text=[[1, 0], [0, 1]]))
    manifest, published = build_at(str(tmp_path), vectors_of(text=[[1, 0], [0, 1], [-1, 0]]))
    assert (published, manifest.version, manifest.rows) == (True, 2, 3)
    assert len(_provenance(tmp_path, first, "text")) == 2


def test_rows_that_were_deleted_in_the_index_stay_out(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    vectors = vectors_of(text=[[1, 0], [0, 1], [-1, 0]], speech=[[1, 0]])
    first, _ = build_at(str(tmp_path), vectors)
    table = _provenance(tmp_path, first, "text")
    gone = removing(table.slice(1, 1), np.array([0]), first.segments[1].part.name, DELETED)
    removed = store_removed(str(tmp_path), gone)
    create_entry(str(tmp_path), first.model_copy(update={"version": 2, "rows": 3, "removed": removed}))
    manifest, published = build_at(str(tmp_path), vectors)
    assert (published, manifest.version, manifest.rows) == (True, 3, 3)
    left = _provenance(tmp_path, manifest, "text")["segment_id"].to_pylist()
    assert left == [one for place, one in enumerate(table["segment_id"].to_pylist()) if place != 1]
    remembered = read_removed(str(tmp_path), manifest).to_pylist()
    assert [(row["segment_id"], row["part"]) for row in remembered] == [(table["segment_id"][1].as_py(), None)]
    assert build_at(str(tmp_path), vectors)[1] is False


@pytest.mark.slow
def test_other_settings_are_refused_unless_a_new_version_is_asked_for(
    tmp_path: Path, vectors: Any, build_at: Any
) -> None:
    build_at(str(tmp_path), vectors, **FLAT)
    with pytest.raises(SpecError, match=r"ladder 'exact' -> 'coded'; lists None -> 4.*--new-version"):
        build_at(str(tmp_path), vectors, **CODED)
    manifest, _ = build_at(str(tmp_path), vectors, **CODED, new_version=True)
    assert manifest.version == 2


def test_a_dim_that_is_not_declared(tmp_path: Path, vectors: Any, build_at: Any) -> None:
    with pytest.raises(SpecError, match=r"code_dim = 3: data/vectors declares the dims 16, 8; choose one"):
        build_at(str(tmp_path), vectors, code_dim=3)
    assert not list(tmp_path.iterdir())


def test_the_second_publisher_of_a_version_is_told(
    tmp_path: Path, vectors_of: Any, build_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both saw no version when they began."""
    build_at(str(tmp_path), vectors_of(text=[[1, 0]]))
    monkeypatch.setattr(build_module, "newest_number", lambda url: 0)
    with pytest.raises(AlreadyPublished, match="another build published version 1 first; run this again"):
        build_at(str(tmp_path), vectors_of(text=[[0, 1], [1, 0]]))


class Killed(Exception):
    """Stands for a kill: nothing below catches it."""


def _killed_at(task: int, seen: list[str]) -> Any:
    """Tasks over shards, of which only so many are done; the sample is drawn undisturbed."""

    def in_tasks(act: Any, parts: Sequence[Any]) -> Iterator[Any]:
        for number, part in enumerate(parts):
            if hasattr(act, "checkpoint"):
                if number == task:
                    raise Killed
                seen.append(part.name)
            yield act(part)

    return in_tasks


@pytest.mark.slow
@pytest.mark.parametrize("fields", [FLAT, CODED], ids=["flat", "coded"])
def test_a_build_that_was_killed_goes_on_by_shard(
    fields: dict[str, Any], tmp_path: Path, in_parts: Any, build_at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = build_at(str(tmp_path / "whole"), in_parts, **fields)
    names = [part.name for part in in_parts.parts()]
    url, told = str(tmp_path / "killed"), Told()
    before: list[str] = []
    with pytest.raises(Killed):
        build_at(url, in_parts, in_tasks=_killed_at(3, before), **fields)
    (shard,) = (tmp_path / "killed" / "building").glob(f"*/{names[1]}")
    (shard / "done.json").unlink()  # killed while it was stored
    monkeypatch.setattr(build_module, "train_coder", None)  # is not made again
    after: list[str] = []
    found, _ = build_at(url, in_parts, in_tasks=_killed_at(-1, after), progress=told, **fields)
    assert (before, after) == (names[:3], [names[1], names[3]])
    assert found.segments == expected.segments
    assert "2 of 4 shards were already finished" in told.notes
    assert not (tmp_path / "killed" / "building").exists()


def test_another_build_does_not_take_its_shards(tmp_path: Path, in_parts: Any, build_at: Any) -> None:
    with pytest.raises(Killed):
        build_at(str(tmp_path), in_parts, in_tasks=_killed_at(2, []), **FLAT)
    seen: list[str] = []
    build_at(str(tmp_path), in_parts, in_tasks=_killed_at(-1, seen), recall=0.9, **FLAT)
    assert len(seen) == 4
    assert not (tmp_path / "building").exists()


def test_a_damaged_vector_is_named_and_nothing_is_published(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    with pytest.raises(InputError, match=r"the vector of segment \w+ of text/1 is zero"):
        build_at(str(tmp_path), vectors_of(text=[[1, 0], [0, 0]]))
    assert not (tmp_path / "versions").exists()


@pytest.mark.slow
def test_progress_tells_each_phase_to_its_end(tmp_path: Path, in_parts: Any, build_at: Any) -> None:
    told = Told()
    build_at(str(tmp_path), in_parts, progress=told, **CODED)
    assert [(task, total) for task, total, _ in told.phases] == [
        ("surveying", 1_000),
        ("making codes", 3),
        ("sharding", 1_000),
        ("merging", 1_000),
        ("measuring", 2),
        ("storing", 2),
    ]
    assert [done for task, _, done in told.phases if task != "measuring"] == [1_000, 3, 1_000, 1_000, 2]
    assert any(note.startswith("text: ") for note in told.notes)
