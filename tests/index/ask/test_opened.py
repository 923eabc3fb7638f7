"""A version's parts, opened: what is refused before anything is read, which rows are live, what is damaged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.errors import InputError, StorageError
from embed.storage.numbered_log import entry_url, sealed
from embed.storage.numbered_log import opened as opened_entry
from index.ask.opened import load_router, open_version, segments_of
from index.ask.searcher import open_index
from index.building.build import build
from index.contracts import SearchRequest
from index.faiss_library import gpu_available
from index.filter import parse_where
from index.live.delete import delete
from index.parts.artifact import FORMAT, LIST_SIZES, ROUTER, Lineage, Manifest, part_url, read_manifest
from index.spec import IndexSpec
from tests.index.shelves import WIDTH, clustered

TEXT, SPEECH = 300, 40


def _fine(_: Manifest) -> None:
    pass


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, vectors_of: Any, build_at: Any) -> str:
    place = str(tmp_path_factory.mktemp("index"))
    build_at(place, vectors_of(clustered(SPEECH, 1), clustered(TEXT, 2), (WIDTH, 8)), ladder="exact")
    return place


def test_every_modality_has_a_shelf(url: str) -> None:
    manifest, opened = open_version(url, None, True, "cpu", _fine)
    assert {name: shelf.rows for name, shelf in opened.shelves.items()} == {"speech": SPEECH, "text": TEXT}
    assert [opened.provenance.kept(name) for name in ("speech", "text")] == [[None], [None]]
    assert [entry.first_id for entry in segments_of(manifest, "text")] == [SPEECH]
    assert opened.provenance.rows(np.array([SPEECH]), url)["modality"].to_pylist() == ["text"]


def test_a_manifest_may_be_refused_before_anything_is_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(manifest: Manifest) -> None:
        raise InputError(f"not version {manifest.version}")

    monkeypatch.setattr("index.ask.opened.part_folder", lambda *_: pytest.fail("was read"))
    with pytest.raises(InputError, match="not version 1"):
        open_version(url, None, True, "cpu", refuse)


def test_removed_rows_are_not_live(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    build_at(str(tmp_path), vectors_of(clustered(5, 1), clustered(6, 2), (WIDTH,)), ladder="exact")
    delete(str(tmp_path), parse_where("uri = 'text/3' or uri = 'text/4'"))
    manifest, opened = open_version(str(tmp_path), None, True, "cpu", _fine)
    assert opened.provenance.kept("speech") == [None]
    (live,) = opened.provenance.kept("text")
    assert live is not None
    gone = opened.provenance.rows(np.flatnonzero(~live.mask()) + 5, str(tmp_path))["uri"].to_pylist()
    assert sorted(gone) == ["text/3", "text/4"]
    assert manifest.version == 2
    _, before = open_version(str(tmp_path), 1, True, "cpu", _fine)
    assert [before.provenance.kept(name) for name in ("speech", "text")] == [[None], [None]]


@pytest.mark.slow
@pytest.mark.usefixtures("few_questions")
def test_a_damaged_router_says_so(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    manifest, _ = build_at(str(tmp_path), vectors_of(text=clustered(300, 2), dims=(WIDTH,)), ladder="coded", lists=4)
    part = manifest.modalities["text"].router
    assert load_router(str(tmp_path), part).shape == (4, WIDTH + 1)
    file = Path(part_url(str(tmp_path), part.name)) / ROUTER
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(StorageError, match="router"):
        open_version(str(tmp_path), None, True, "cpu", _fine)
    with pytest.raises(StorageError, match=r"unreadable router .*; build the index again"):
        load_router(str(tmp_path), part, verify=False)


@pytest.mark.slow
@pytest.mark.usefixtures("few_questions")
def test_an_index_of_the_format_before_still_answers(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    """It has curves for ten hits alone, and no sizes of the lists when they were measured."""
    url = str(tmp_path)
    build_at(url, vectors_of(text=clustered(400, 2), dims=(WIDTH,)), ladder="coded", lists=4)
    place = Path(entry_url(url, 1))
    values = opened_entry(place.read_bytes())
    text = values["modalities"]["text"]
    text["curves"] = [curve for curve in text["curves"] if curve["k"] == 10]
    for curve in text["curves"]:
        del curve["agrees"], curve["sided_depth"], curve["sided_shortlist"]
    del text["router"]["files"][LIST_SIZES]
    place.write_bytes(sealed(values | {"format": 2}))
    queries = clustered(20, 3)
    for k in (1, 10, 40):
        found, true = (
            open_index(url).search(queries, SearchRequest(k, "text", recall=recall)).ids for recall in (0.9, 1.0)
        )
        assert np.mean([np.isin(row, best).mean() for row, best in zip(found, true, strict=True)]) >= 0.85
    delete(url, parse_where("uri = 'text/3'"))
    assert read_manifest(url).format == FORMAT
    assert len(open_index(url)) == 399


def test_the_spec_says_where_an_index_is_searched(tmp_path: Path, vectors_of: Any) -> None:
    """Here, where there is no card: a spec that demands one is refused at opening, unless the opener says otherwise."""
    if gpu_available():
        pytest.skip("there is a card")
    spec = IndexSpec(vectors="data/vectors", output=str(tmp_path), device="gpu")
    build(spec, vectors_of(text=[[1.0, 0.0]]), Lineage(url="data/vectors", version=1, sha256=None, settings={}))
    with pytest.raises(InputError, match="faiss sees no GPU here"):
        open_index(str(tmp_path))
    assert len(open_index(str(tmp_path), device="cpu")) == 1
