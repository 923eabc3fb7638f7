"""The searcher at its door: right answers by eye and beside brute force, and clear errors."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.encoder import truncate
from embed.errors import FingerprintMismatch, InputError, StorageError
from index.search import Index, open_index
from index.where import parse_where

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]
NORTH_EAST = [0.6, 0.8]


def test_import_loads_no_torch() -> None:
    code = (
        "import sys, json, index.search, index.build; print(json.dumps([m in sys.modules for m in ('torch', 'ray')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, False]


@pytest.mark.parametrize("modality", ["speech", "text"])
def test_nearest_by_eye(modality: str, opened: Any, vectors_of: Any, numbers: Any) -> None:
    index = opened(vectors_of(**{modality: [WEST, NORTH, NORTH_EAST, EAST]}))
    hits = index.search(np.array([[2.0, 0.0]]), k=3, modality=modality)
    assert numbers(index, hits.ids[0]) == [3, 2, 1]
    np.testing.assert_allclose(hits.scores[0], [1.0, 0.6, 0.0], atol=1e-3)


def test_k_beyond_the_rows_leaves_empty_places(opened: Any, vectors_of: Any) -> None:
    hits = opened(vectors_of(text=[EAST, NORTH])).search(np.array([EAST]), k=4, modality="text")
    assert hits.ids[0, 2:].tolist() == [-1, -1]
    assert np.isneginf(hits.scores[0, 2:]).all()
    assert np.isfinite(hits.scores[0, :2]).all()


def test_a_modality_without_rows_has_no_hits(opened: Any, vectors_of: Any) -> None:
    hits = opened(vectors_of(text=[EAST, NORTH])).search(np.array([EAST]), k=2, modality="speech")
    assert hits.ids.tolist() == [[-1, -1]]


def test_no_queries_no_hits(opened: Any, vectors_of: Any) -> None:
    hits = opened(vectors_of(text=[EAST, NORTH])).search(np.empty((0, 2), np.float32), k=3)
    assert hits.ids.shape == hits.scores.shape == (0, 3)


def test_equal_rows_come_by_ascending_id(opened: Any, vectors_of: Any) -> None:
    hits = opened(vectors_of(text=[EAST] * 5)).search(np.array([EAST]), k=5, modality="text")
    assert hits.ids[0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dim", [64, 32, 16, 8], ids=lambda dim: f"dim{dim}")
@pytest.mark.parametrize("queried", [20, 2], ids=["many", "few"])
def test_every_row_is_brute_force(
    dim: int, queried: int, opened: Any, vectors_of: Any, nested_rows: Any, numbers: Any
) -> None:
    rows, queries = nested_rows(900, 64, 1), nested_rows(queried, 64, 2)
    index = opened(vectors_of(text=rows, dims=(64, 32, 16, 8)))
    hits = index.search(queries, k=10, modality="text", dim=dim)
    half = rows.astype(np.float16).astype(np.float32)
    cosines = truncate(queries, dim) @ truncate(half, dim).T
    best = np.argsort(-cosines, axis=1)[:, :10]
    np.testing.assert_allclose(hits.scores, np.take_along_axis(cosines, best, axis=1), atol=1e-5)
    assert [numbers(index, row) for row in hits.ids] == best.tolist()


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory, vectors_of: Any, nested_rows: Any, build_at: Any) -> Index:
    """3,000 made-up rows with lists, codes and a curve."""
    url = str(tmp_path_factory.mktemp("coded"))
    build_at(url, vectors_of(text=nested_rows(3_000, 64, 3), dims=(64, 16)), ladder="coded")
    return open_index(url)


def shared(found: Any, wanted: Any) -> float:
    return float(np.mean([len({*a} & {*b}) / len(b) for a, b in zip(found.ids, wanted.ids, strict=True)]))


@pytest.mark.parametrize("recall", [0.8, 0.95])
def test_a_promise_is_kept_on_other_queries(recall: float, coded: Index, nested_rows: Any) -> None:
    queries = nested_rows(400, 64, 4)
    assert shared(coded.search(queries, 10, recall=recall), coded.search(queries, 10, recall=1.0)) >= recall


def test_more_recall_reads_more_rows(coded: Index, nested_rows: Any) -> None:
    queries, read = nested_rows(100, 64, 5), []
    for recall in (0.8, 0.95, 1.0):
        stages = coded.search_explained(queries, 10, modality="text", recall=recall)[1].stages
        read.append(next(stage.rows for stage in stages if stage.stage in ("scan", "all")))
    assert read == sorted(read)
    assert read[0] < read[-1] == 100 * 3_000


def test_a_budget_is_a_look_up(coded: Index, nested_rows: Any) -> None:
    _, told = coded.search_explained(nested_rows(1, 64, 6), 10, modality="text", budget_ms=1e-9)
    assert told.chosen[0].measured == coded.manifest.modalities["text"].curves[0].points[0]


def test_a_filter_costs_no_recall(coded: Index, nested_rows: Any) -> None:
    queries, where = nested_rows(50, 64, 7), parse_where("start < 300")  # 30 rows of 3,000
    hits = coded.search(queries, 5, modality="text", where=where)
    assert set(coded.rows(hits.ids.ravel())["start"].to_pylist()) <= set(range(0, 300, 10))
    wide = parse_where("start >= 300")
    found, true = (coded.search(queries, 5, where=wide, recall=recall) for recall in (0.95, 1.0))
    assert shared(found, true) >= 0.95


def test_a_prefix_is_ranked_by_its_own_cosine(coded: Index, nested_rows: Any) -> None:
    hits = coded.search(nested_rows(20, 64, 8), 10, modality="text", dim=16)
    assert (np.diff(hits.scores, axis=1) <= 0).all()
    assert shared(hits, coded.search(nested_rows(20, 64, 8), 10, modality="text", dim=16, recall=1.0)) > 0.8


def test_a_query_does_not_depend_on_its_batch(opened: Any, vectors_of: Any, nested_rows: Any) -> None:
    queries = nested_rows(30, 32, 5)
    index = opened(vectors_of(nested_rows(300, 32, 6), nested_rows(300, 32, 7), (32, 8)))
    together = index.search(queries, k=5)
    alone = [index.search(query[None], k=5) for query in queries]
    assert together.ids.tolist() == [hits.ids[0].tolist() for hits in alone]
    np.testing.assert_allclose(together.scores, np.vstack([hits.scores for hits in alone]), atol=1e-4)


@pytest.mark.parametrize("dim", [None, 8], ids=["full", "prefix"])
def test_excluded_ids_are_no_hits(dim: int | None, opened: Any, vectors_of: Any, nested_rows: Any) -> None:
    queries = nested_rows(3, 32, 8)
    index = opened(vectors_of(text=nested_rows(400, 32, 9), dims=(32, 16, 8)))
    free = index.search(queries, k=8, modality="text", dim=dim)
    exclude = [free.ids[0, :3], [], free.ids[2, [1]]]
    held = index.search(queries, k=5, modality="text", dim=dim, exclude=exclude)
    assert held.ids[0].tolist() == free.ids[0, 3:8].tolist()
    assert held.ids[1].tolist() == free.ids[1, :5].tolist()
    assert held.ids[2].tolist() == free.ids[2, [0, 2, 3, 4, 5]].tolist()


def test_any_merges_both_by_calibrated_scores(opened: Any, vectors_of: Any, nested_rows: Any) -> None:
    """Speech lies apart: a far-off common direction makes every typed query's cosine to it small."""
    meanings = nested_rows(300, 32, 10)
    apart = truncate(meanings + 1.5 * np.eye(32, dtype=np.float32)[31], 32)
    index = opened(vectors_of(speech=apart, text=meanings, dims=(32, 8)))
    queries = truncate(meanings[:50] + 0.2 * nested_rows(50, 32, 11), 32)
    hits = index.search(queries, k=2)
    assert (np.diff(hits.scores, axis=1) <= 0).all()
    found = index.rows(hits.ids.ravel())
    both = np.asarray(found["modality"].to_pylist()).reshape(-1, 2)
    right = [[dict(m)["number"] for m in found["metadata"].to_pylist()][2 * i : 2 * i + 2] for i in range(50)]
    # By bare cosine, text would fill both places; calibrated, the same meaning comes first in either modality.
    assert np.mean([{*row} == {"speech", "text"} for row in both]) > 0.9
    assert np.mean([row == [str(i), str(i)] for i, row in enumerate(right)]) > 0.9


def test_any_keeps_each_modality_in_the_order_of_its_cosines(opened: Any, vectors_of: Any, nested_rows: Any) -> None:
    index = opened(vectors_of(nested_rows(60, 32, 12), nested_rows(90, 32, 13), (32, 8)))
    queries = nested_rows(5, 32, 14)
    merged = index.search(queries, k=150)
    assert np.sort(merged.ids, axis=1).tolist() == [list(range(150))] * 5
    for modality, first, last in (("speech", 0, 60), ("text", 60, 150)):
        alone = index.search(queries, k=last - first, modality=modality)
        for row, expected in zip(merged.ids, alone.ids, strict=True):
            assert row[(row >= first) & (row < last)].tolist() == expected.tolist()


def test_explanation_counts_what_was_read(opened: Any, vectors_of: Any, nested_rows: Any) -> None:
    index = opened(vectors_of(text=nested_rows(400, 32, 15), dims=(32, 16, 8)))
    _, explained = index.search_explained(nested_rows(2, 32, 16), 5, modality="text")
    assert [(s.stage, s.dim, s.rows, s.bytes) for s in explained.stages] == [("all", 32, 800, 800 * 32 * 2)]
    assert explained.seconds > 0
    assert explained.why == ("text: every row: 400 are too few to be worth lists and codes",)


def test_many_threads_get_the_same_answers(opened: Any, vectors_of: Any, nested_rows: Any) -> None:
    index = opened(vectors_of(nested_rows(200, 32, 17), nested_rows(200, 32, 18), (32, 8)))
    queries = nested_rows(8, 32, 19)
    expected = index.search(queries, k=5).ids.tolist()
    found: list[Any] = []

    def ask() -> None:
        for _ in range(20):
            hits = index.search(queries, k=5)
            found.append((hits.ids.tolist(), len(index.rows(hits.ids.ravel()))))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(expected, 40)] * 80


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ([[np.nan, 0.0]], "query 0 is zero or holds NaN"),
        ([[1.0, 0.0], [0.0, 0.0]], "query 1 is zero"),
        ([[np.inf, 0.0]], "query 0 is zero or holds NaN or infinite"),
        ([[1.0, 0.0, 0.0]], r"shape \(1, 3\); this index takes \[any number, 2\]"),
        ([1.0, 0.0], r"shape \(2,\)"),
    ],
    ids=["nan", "zero", "infinite", "width", "one-dimensional"],
)
def test_bad_queries(query: Any, problem: str, opened: Any, vectors_of: Any) -> None:
    with pytest.raises(InputError, match=problem):
        opened(vectors_of(text=[EAST, NORTH])).search(np.array(query), k=1)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"dim": 3}, "dim = 3: .* declares the dims 2"),
        ({"k": 0}, "k = 0"),
        ({"recall": 1.5}, "recall = 1.5: a share of the true best"),
        ({"budget_ms": 0.0}, "budget_ms = 0: must be above 0"),
        ({"budget_ms": 1.0, "recall": 0.9}, "recall and budget_ms were both given"),
        ({"modality": "image"}, "modality 'image': choose any, speech or text"),
        ({"exclude": [[0], [1]]}, "exclude has 2 lists of ids for 1 queries"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_settings(settings: dict[str, Any], problem: str, opened: Any, vectors_of: Any) -> None:
    with pytest.raises(InputError, match=problem):
        opened(vectors_of(text=[EAST, NORTH])).search(np.array([EAST]), **{"k": 1, **settings})


@pytest.mark.parametrize("wrong", [-1, 2])
def test_rows_of_unknown_ids(wrong: int, opened: Any, vectors_of: Any) -> None:
    with pytest.raises(InputError, match=f"no row {wrong} in this version"):
        opened(vectors_of(text=[EAST, NORTH])).rows([0, wrong])


def test_another_space_is_refused_with_the_cure(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    build_at(str(tmp_path), vectors_of(text=[EAST, NORTH]))
    assert open_index(str(tmp_path), "space-1").space == "space-1"
    with pytest.raises(FingerprintMismatch, match=r"in space space-1, the queries are in space other; .*deglu embed"):
        open_index(str(tmp_path), "other")


def test_nothing_there(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    with pytest.raises(InputError, match="no index here; build one with `deglu index"):
        open_index(str(tmp_path / "none"))
    build_at(str(tmp_path), vectors_of(text=[EAST, NORTH]))
    with pytest.raises(InputError, match="no version 7 here"):
        open_index(str(tmp_path), version=7)


def test_unreadable_files_are_no_index(tmp_path: Path, vectors_of: Any, build_at: Any) -> None:
    manifest, _ = build_at(str(tmp_path), vectors_of(text=[EAST, NORTH]))
    file = tmp_path / "parts" / manifest.segments[0].part.name / "rows.f16.npy"
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(StorageError, match="unreadable segment"):
        open_index(str(tmp_path), verify=False)
